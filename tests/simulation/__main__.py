"""`python -m tests.simulation --seeds 10000`: many stories, a bar, a table, and the story of what failed."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.simulate import Story, simulate

out = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """0: every rule held under every seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--story", action="store_true", help="tell what happened, also when all rules held")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many at once")
    asked = parser.parse_args()
    seeds = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.seeds)
    begun = time.monotonic()
    failed = list(_run(seeds, asked.processes, asked.story, totals := Counter[str]()))
    out.print(_summary(len(seeds), failed, totals, time.monotonic() - begun))
    return 1 if failed else 0


def _run(seeds: "range | list[int]", processes: int, tells: bool, totals: Counter[str]) -> Iterable[Story]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProcessPoolExecutor(processes) as pool, Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("Seeds", total=len(seeds))
        for story in pool.map(simulate, seeds, chunksize=1 if len(seeds) < 100 else 5):
            bar.advance(task)
            totals.update(story.counts)
            if story.violations or tells:
                out.print(story.told(), markup=False)
            if story.violations:
                yield story


def _summary(seeds: int, failed: list[Story], totals: Counter[str], seconds: float) -> Table:
    table = Table(title="Simulation", show_header=False)
    for what, number in {"seeds": seeds, **totals}.items():
        table.add_row(what, f"{number:,}")
    table.add_row("seconds", f"{seconds:,.0f} ({1000 * seconds / max(1, seeds):.0f} ms per seed)")
    table.add_row("failed", ", ".join(str(story.seed) for story in failed) or "none")
    return table


if __name__ == "__main__":
    sys.exit(main())
