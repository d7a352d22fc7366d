"""One worker and two before the same account: `python -m bench.workers [--jobs 20]`, as a Markdown table.

The whole stack with the sandbox in Luma's place: 10 generations at once, each of 2 s, as many creates a minute as one
likes. Jobs of five scenes are posted all at once. Ideal is what the account's slots allow; refused are Luma's 429.
"""

import argparse
import asyncio
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx

from bench.cost import SANDBOX, SCENES, film
from deployments.stack import Addresses, parts, ready
from deployments.supervisor import Part, Supervisor
from tasks.settings import Settings

SLOTS: Final = 10
SECONDS: Final = 2.0
ROUNDS: Final = 3
POLL_SECONDS: Final = 0.1
"""Not a page's two seconds: what is looked for is smaller."""


async def drain(http: httpx.AsyncClient, jobs: int, tag: str) -> tuple[float, int]:
    """Seconds until the last of so many jobs had its film, and how many were whole."""
    begun, posting = time.monotonic(), asyncio.Semaphore(32)
    ends = await asyncio.gather(*(film(http, f"{tag}-{number}", posting, POLL_SECONDS) for number in range(jobs)))
    return time.monotonic() - begun, ends.count("completed")


async def refused(at: Addresses) -> int:
    """Creates that Luma has answered with 429 so far."""
    async with httpx.AsyncClient() as http:
        return int((await http.get(f"{at.sandbox}/_sandbox/stats")).json()["refused_429"])


def second(worker: Part) -> Part:
    """Another worker like this one."""
    words = [word for word in worker.argv if word != "--deploy"]
    return replace(worker, name="second", argv=[*words, "--name", "second"])


async def measure(jobs: int, folder: Path) -> None:
    """Start everything, drain the jobs with one worker and with two, and stop it."""
    settings, at = Settings(data=folder), Addresses("127.0.0.1", 8300, 8340, 8380).free()
    supervisor, known = Supervisor(folder / "logs", print), {part.name: part for part in parts(settings, at)}
    ideal = jobs * SCENES * SECONDS / SLOTS
    try:
        for part in known.values():
            await supervisor.start(part)
        await ready(at, supervisor, lambda _: None)
        async with httpx.AsyncClient(base_url=at.studio, timeout=120) as http:
            config = SANDBOX | {"dream_machine_concurrency": SLOTS, "generation_seconds": SECONDS}
            (await http.put(f"{at.sandbox}/_sandbox/config", json=config)).raise_for_status()
            await drain(http, 2, "warm")
            print("| workers | drain, s | over ideal | whole | refused |\n| --- | --- | --- | --- | --- |")
            for workers in (1, 2):
                if workers == 2:
                    await supervisor.start(second(known["worker"]))
                    await asyncio.sleep(10)  # until it hears of runs
                for number in range(ROUNDS):
                    before = await refused(at)
                    seconds, whole = await drain(http, jobs, f"{workers}-{number}")
                    told = (workers, f"{seconds:.2f}", f"{seconds / ideal:.2f}", whole, await refused(at) - before)
                    print("|", " | ".join(map(str, told)), "|", flush=True)
    finally:
        await supervisor.stop()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    chosen = parser.parse_args()
    os.environ |= {"STORYREEL_LUMA_CONCURRENCY": str(SLOTS), "STORYREEL_LUMA_CREATES_PER_MINUTE": "0"}
    with tempfile.TemporaryDirectory(prefix="storyreel-workers-") as folder:
        asyncio.run(measure(chosen.jobs, Path(folder)))


if __name__ == "__main__":
    main()
