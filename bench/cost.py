"""What a job costs: `python -m bench.cost [--jobs 10 100 1000] [--set NAME=VALUE …]`, as Markdown tables.

The whole stack runs as `storyreel up` runs it, with the sandbox in Luma's place: no limits, 2 s a generation, one clip
for all. Jobs of five scenes are posted all at once, and a page of each polls every 2 s. CPU seconds are those of each
part's processes, memory is their proportional share (PSS) in MB. Last, what a scrape of `/metrics` takes. Linux only.
"""

import argparse
import asyncio
import os
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx

from deployments.stack import Addresses, parts, ready
from deployments.supervisor import Supervisor
from tasks.settings import Settings

SCENES: Final = 5
POLL_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 8.0
"""After the last job, until what is written behind it is counted."""
IDLE_SECONDS: Final = 15.0
SCRAPES: Final = 50
SANDBOX: Final = {
    "generation_seconds": 2,
    "jitter": 0,
    "dream_machine_concurrency": 0,
    "dream_machine_creates_per_minute": 0,
    "clips": "cached",
}
UNLIMITED: Final = {"STORYREEL_LUMA_CONCURRENCY": "10000", "STORYREEL_LUMA_CREATES_PER_MINUTE": "0"}
_TICK: Final = os.sysconf("SC_CLK_TCK")

Figures = dict[str, float]


def script(tag: str) -> str:
    """Five paragraphs, a scene each."""
    words = "a red fox walks through the deep snow towards a lit house at the edge of the forest while smoke rises"
    return "\n\n".join(f"[{tag}] On night {night + 1} {words} and the first stars come out." for night in range(SCENES))


class Machine:
    """CPU seconds and memory of the stack's parts, and of this process, which is the supervisor too."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def cpu(self) -> Figures:
        """CPU seconds so far, by part."""
        return {name: sum(map(cpu, tree(pid))) for name, pid in self._pids().items()}

    def memory(self) -> Figures:
        """PSS in MB, by part."""
        return {name: sum(map(_pss, tree(pid))) for name, pid in self._pids().items()}

    def _pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._supervisor.processes.items()}


def tree(pid: int) -> list[int]:
    """A process and all that it has started, down to the last."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in children for found in tree(int(child)))]


def cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) / _TICK  # user and system, of itself and of ended children


def _pss(pid: int) -> float:
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def less(after: Figures, before: Figures, per: float = 1) -> Figures:
    """What was used in between, per job."""
    return {name: (after[name] - before[name]) / per for name in after}


async def film(
    http: httpx.AsyncClient, tag: str, posting: asyncio.Semaphore, poll_seconds: float = POLL_SECONDS
) -> str:
    """Post a job and poll it to its end, as its page does; its last status."""
    async with posting:
        answer = await http.post("/api/generate", json={"script": script(tag)})
    answer.raise_for_status()
    path, etag, status = f"/api/job/{answer.json()['jobId']}", "", ""
    while status not in ("completed", "failed", "cancelled"):
        await asyncio.sleep(poll_seconds)
        answer = await http.get(path, headers={"If-None-Match": etag})
        if answer.status_code == httpx.codes.OK:
            etag, status = answer.headers["ETag"], answer.json()["status"]
    job = answer.json()
    whole = len([scene for scene in job["results"]["scenes"] if scene["status"] == "completed"]) == SCENES
    return status if whole else "partial"


async def crowd(http: httpx.AsyncClient, machine: Machine, jobs: int) -> tuple[Figures, Figures, float, int]:
    """So many jobs at once: CPU seconds a job and peak memory by part, seconds until the last ended, whole ones."""
    before, begun = machine.cpu(), time.monotonic()
    posting, peak = asyncio.Semaphore(32), dict[str, float]()

    async def watch() -> None:
        while True:
            peak.update({name: max(value, peak.get(name, 0)) for name, value in machine.memory().items()})
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    ends = await asyncio.gather(*(film(http, f"{jobs}-{number}", posting) for number in range(jobs)))
    drain = time.monotonic() - begun
    await asyncio.sleep(SETTLE_SECONDS)
    watching.cancel()
    return less(machine.cpu(), before, jobs), peak, drain, ends.count("completed")


async def scrape(http: httpx.AsyncClient) -> float:
    """Seconds that the API takes to tell the numbers of all its machine's processes."""
    taken = []
    for _ in range(SCRAPES):
        begun = time.monotonic()
        (await http.get("/metrics")).raise_for_status()
        taken.append(time.monotonic() - begun)
    return median(taken)


def row(title: str, figures: Mapping[str, float], *more: object, digits: int = 3) -> None:
    """Print one line of a table: the parts, their sum, and what else there is."""
    values = [f"{value:.{digits}f}" for value in (*figures.values(), sum(figures.values()))]
    print("|", " | ".join([title, *values, *map(str, more)]), "|", flush=True)


async def measure(crowds: list[int], changes: dict[str, str], folder: Path) -> None:
    """Start everything, measure it idle and with each crowd of jobs, and stop it."""
    settings = Settings(data=folder)
    at = Addresses("127.0.0.1", 8300, 8340, 8380).free()
    supervisor = Supervisor(folder / "logs", print)
    begun = time.monotonic()
    try:
        for part in parts(settings, at):
            await supervisor.start(replace(part, env=part.env | changes))
        await ready(at, supervisor, lambda _: None)
        start = time.monotonic() - begun
        await _report(at, Machine(supervisor), crowds, start)
    finally:
        await supervisor.stop()


async def _report(at: Addresses, machine: Machine, crowds: list[int], start: float) -> None:
    names = list(machine.memory())
    print("|", " | ".join(["", *names, "all", "whole", "drain, s"]), "|\n|", "--- |" * (len(names) + 4))
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=at.studio, timeout=120, limits=limits) as http:
        (await http.put(f"{at.sandbox}/_sandbox/config", json=SANDBOX)).raise_for_status()
        row(f"CPU s until ready ({start:.1f} s)", machine.cpu(), "", "")
        await crowd(http, machine, 1)  # what is made once: connections, the clip, imports
        row("memory idle, MB", machine.memory(), "", "", digits=0)
        before = machine.cpu()
        await asyncio.sleep(IDLE_SECONDS)
        row("CPU idle, s a minute", less(machine.cpu(), before, IDLE_SECONDS / 60), "", "")
        for jobs in crowds:
            figures, peak, drain, whole = await crowd(http, machine, jobs)
            row(f"CPU s a job, {jobs:,} jobs", figures, whole, f"{drain:.1f}")
            row(f"memory at most, {jobs:,} jobs", peak, "", "", digits=0)
        print(f"\nGET /metrics: {await scrape(http) * 1000:.1f} ms, the median of {SCRAPES}")


def _setting(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", default=[10, 100, 1_000])
    parser.add_argument("--set", type=_setting, nargs="*", default=[], help="environment of all parts, NAME=VALUE")
    chosen: Any = parser.parse_args()
    os.environ.update(UNLIMITED)
    with tempfile.TemporaryDirectory(prefix="storyreel-cost-") as folder:
        asyncio.run(measure(chosen.jobs, dict(chosen.set), Path(folder)))


if __name__ == "__main__":
    main()
