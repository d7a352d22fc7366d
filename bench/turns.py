"""Two checkouts in turns: `python -m bench.turns ../other [--rounds 10] [--jobs 6]`, as a Markdown table.

Shared cores may be twice as fast in one minute as in the next, and runs one after the other compare minutes. Here both
stacks stand beside each other before one sandbox, and each gets a few jobs in its turn. Both run with this Python, each
with its checkout's code. CPU seconds a job by part: of the other, of this one, and the median of their ratios.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.cost import SANDBOX, UNLIMITED, Figures, cpu, film, less, tree
from deployments.addresses import Addresses
from deployments.supervisor import die_with_parent

PARTS: Final = {
    "prefect": "deployments.prefect_server",
    "api": "deployments.cli api",
    "worker": "deployments.cli worker",
}
"""By what a part's command says."""
SETTLE_SECONDS: Final = 3.0
"""After a turn's last job, until what is written behind it is counted."""


@dataclass(frozen=True)
class Side:
    """One checkout's stack."""

    pid: int
    http: httpx.AsyncClient

    def cpu(self) -> Figures:
        """CPU seconds so far, by part."""
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in tree(self.pid)}
        return {part: sum(cpu(pid) for pid, said in commands.items() if name in said) for part, name in PARTS.items()}

    async def turn(self, jobs: int) -> Figures:
        """Have it film so many jobs; CPU seconds a job."""
        before, posting = self.cpu(), asyncio.Semaphore(jobs)
        ends = await asyncio.gather(*(film(self.http, f"{number}", posting, 0.5) for number in range(jobs)))
        if set(ends) != {"completed"}:
            raise RuntimeError(f"Not all jobs had their film: {ends}.")
        await asyncio.sleep(SETTLE_SECONDS)
        return less(self.cpu(), before, jobs)


@contextmanager
def started(*words: str, checkout: Path, env: dict[str, str]) -> Iterator[int]:
    """A program of a checkout, by its pid, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", *words], cwd=checkout, env=os.environ | env, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, preexec_fn=die_with_parent,  # noqa: PLW1509 -- it only asks the kernel
    ) as process:  # fmt: skip
        try:
            yield process.pid
        finally:
            process.terminate()


@asynccontextmanager
async def side(checkout: Path, folder: Path, port: int, env: dict[str, str]) -> AsyncIterator[Side]:
    """A checkout's stack, ready."""
    with started("bench.peer", str(port), str(folder), checkout=checkout, env=env) as pid:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            await _until_ready(http, "/api/ready")
            yield Side(pid, http)


async def _until_ready(http: httpx.AsyncClient, path: str) -> None:
    async with asyncio.timeout(180):
        while True:
            try:
                if (await http.get(path)).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)


async def measure(other: Path, rounds: int, jobs: int, folder: Path) -> None:
    """Start both, give each its turns, print the table, and stop them."""
    at = Addresses("127.0.0.1", 8500, 8540, 8580).free()
    luma = f"http://127.0.0.1:{at.sandbox_port}"
    env = UNLIMITED | {"LUMAAI_API_KEY": "bench", "LUMAAI_BASE_URL": f"{luma}/dream-machine/v1"}
    async with AsyncExitStack() as stack:
        stack.enter_context(
            started("deployments.cli", "sandbox", "--port", str(at.sandbox_port), checkout=Path.cwd(), env={})
        )
        async with httpx.AsyncClient(base_url=luma) as http:
            await _until_ready(http, "/_sandbox/stats")
            (await http.put("/_sandbox/config", json=SANDBOX)).raise_for_status()
        checkouts = (other, at.port), (Path.cwd(), at.prefect_port)
        sides = [
            await stack.enter_async_context(side(where, folder / str(port), port, env)) for where, port in checkouts
        ]
        for each in sides:
            await each.turn(jobs)  # what is made once: connections, imports
        _print(*[[await each.turn(jobs) for each in sides] for _ in range(rounds)])


def _print(*rounds: list[Figures]) -> None:
    print("| | other, s | this, s | this over other |\n| --- | --- | --- | --- |")
    for name, parts in {**{part: [part] for part in PARTS}, "all": list(PARTS)}.items():
        pairs = [[sum(figures[part] for part in parts) for figures in both] for both in rounds]
        other, this = (statistics.mean(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(second / first for first, second in pairs)
        print(f"| {name} | {other:.3f} | {this:.3f} | {ratio:.2f} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a checkout to compare this one with")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=6, help="jobs a turn")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storyreel-turns-") as folder:
        asyncio.run(measure(chosen.other.resolve(), chosen.rounds, chosen.jobs, Path(folder)))


if __name__ == "__main__":
    main()
