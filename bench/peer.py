"""The whole stack as one process tree for a side-by-side measurement: `python -m bench.peer PORT FOLDER`.

The API opens its port last, when the worker is registered: who waits for the port waits for the whole. It takes the
place of the first process, so that who kills that one and waits for its end finds the port free.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx

from deployments.addresses import Addresses
from deployments.stack import environment, parts, until_stopped
from deployments.supervisor import Part, Supervisor, die_with_parent
from tasks.settings import Settings

READY = "generate-video/luma"


async def _worker_ready(prefect: str) -> None:
    async with httpx.AsyncClient(timeout=5) as client:
        while True:
            try:
                answer = await client.get(f"{prefect}/api/deployments/name/{READY}")
                if answer.is_success and answer.json()["status"] == "READY":
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def keep(settings: Settings, known: dict[str, Part]) -> None:
    """Run Prefect's server and the worker until SIGTERM."""
    supervisor = Supervisor(settings.data / "logs", print)
    try:
        for name in ("prefect", "worker"):
            await supervisor.start(known[name])
        await until_stopped()
    finally:
        await supervisor.stop()


def main(port: int, folder: Path, *, rest: bool) -> None:
    """Become the API, once all else runs."""
    settings = Settings(data=folder / "data")
    at = Addresses("127.0.0.1", port, port + 1, port + 2)
    known = {part.name: part for part in parts(settings, at)}
    if rest:
        asyncio.run(keep(settings, known))
        return
    subprocess.Popen([sys.executable, "-m", "bench.peer", *sys.argv[1:3], "rest"], preexec_fn=die_with_parent)  # noqa: PLW1509 -- it only asks the kernel
    asyncio.run(_worker_ready(environment(settings, at)["PREFECT_API_URL"].removesuffix("/api")))
    os.execve(known["api"].argv[0], [*known["api"].argv], os.environ | known["api"].env)  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), rest=len(sys.argv) > 3)
