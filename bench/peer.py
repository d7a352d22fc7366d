"""The whole stack as one process tree for a side-by-side measurement: `python -m bench.peer PORT FOLDER`.

The API opens its port last, when the worker is registered: who waits for the port waits for the whole.
"""

import asyncio
import sys
from pathlib import Path

import httpx

from deployments.addresses import Addresses
from deployments.stack import environment, parts, until_stopped
from deployments.supervisor import Supervisor
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


async def serve(port: int, folder: Path) -> None:
    """Run until SIGTERM."""
    settings = Settings(data=folder / "data")
    at = Addresses("127.0.0.1", port, port + 1, port + 2)
    supervisor = Supervisor(settings.data / "logs", print)
    known = {part.name: part for part in parts(settings, at)}
    try:
        for name in ("prefect", "worker"):
            await supervisor.start(known[name])
        await _worker_ready(environment(settings, at)["PREFECT_API_URL"].removesuffix("/api"))
        await supervisor.start(known["api"])
        await until_stopped()
    finally:
        await supervisor.stop()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
