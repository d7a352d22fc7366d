"""What a growing ledger costs: `python -m bench.growth [--jobs 1000 100000 1000000]`, as a Markdown table.

A ledger on SQLite is filled with copies of one completed job (a million take some minutes and about 4 GB in the
temporary folder); twenty live jobs come on top. Figures are the medians of 50 calls, in milliseconds.
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID, uuid4

from api.database import Database
from api.records import JobRecords, NewJob
from tasks.ledger import Clip, Film, StoredFile
from tasks.options import VideoOptions
from tasks.storyboard import SceneDraft, make_storyboard

SCRIPT: Final = "A lighthouse keeper finds a letter in a bottle. She reads it by lamplight and rows out to answer it."
OPTIONS: Final = VideoOptions()
FILE: Final = StoredFile("jobs/bench/file", 1000, "0" * 64)
FILM: Final = Film(FILE, FILE, FILE, FILE, 9.0, 1280, 720)
LIVE: Final = 20
CALLS: Final = 50
CHUNK: Final = 50_000


async def completed(records: JobRecords) -> UUID:
    """One job of one scene, made as a run would."""
    job_id = await live(records)
    attempt = await records.intend(job_id, 1, {"prompt": "A lamp"}, None)
    await records.submitted(attempt, str(uuid4()))
    await records.completed(attempt, Clip(FILE, 9.0, 1280, 720, FILE))
    await records.filmed(job_id, FILM)
    return job_id


async def live(records: JobRecords) -> UUID:
    """A job of which a run has begun."""
    (job_id, _, _), run = await records.create(NewJob(script=SCRIPT, options=OPTIONS)), uuid4()
    for row in await records.outbox():
        await records.dispatched(row, run)
    await records.begin(job_id, run, SCRIPT, None, OPTIONS)
    await records.planned(job_id, make_storyboard(SCRIPT, OPTIONS, [SceneDraft(prompt="A lamp")]), 1_000_000)
    return job_id


def copy(path: Path, job: UUID, number: int) -> None:
    """So many copies of a job with all that belongs to it, a second apart in the past."""
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("PRAGMA synchronous = OFF")
        ledger.create_function("later", 2, _later, deterministic=True)
        for first in range(0, number, CHUNK):
            ledger.execute("CREATE TEMP TABLE ids (n INTEGER PRIMARY KEY, id TEXT)")
            ids = ((n, uuid4().hex) for n in range(first, min(first + CHUNK, number)))
            ledger.executemany("INSERT INTO ids VALUES (?, ?)", ids)
            for table in ("generation_jobs", "scenes", "attempts", "videos"):
                _copy(ledger, table, job)
            ledger.execute("DROP TABLE ids")
            ledger.commit()
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(ledger: sqlite3.Connection, table: str, job: UUID) -> None:
    own = {"generation_jobs": "id"}.get(table, "job_id")
    values = {
        own: "ids.id",
        "token": "lower(hex(randomblob(16)))",
        "generation_id": "lower(hex(randomblob(16)))",
        "flow_run_id": "lower(hex(randomblob(16)))",
        "created_at": "later(created_at, ids.n)",
        "intended_at": "later(intended_at, ids.n)",
        "ended_at": "later(ended_at, ids.n)",
    }
    if own != "id":
        values["id"] = "lower(hex(randomblob(16)))"
    columns = [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")]
    chosen = ", ".join(values.get(column, f'"{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    rows = f"SELECT {chosen} FROM {table} AS old, ids WHERE old.{own} = ?"  # noqa: S608 -- no word of it is foreign
    ledger.execute(f"INSERT INTO {table} ({names}) {rows}", [job.hex])


def _later(moment: str | None, seconds: int) -> str | None:
    """A stored moment, so many seconds in the past of the first of January 2026."""
    if moment is None:
        return None
    return time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime(1_767_225_600 - seconds))


async def timed(call: Callable[[], Awaitable[Any]]) -> float:
    """The median in milliseconds."""
    taken = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        await call()
        taken.append(1000 * (time.perf_counter() - begun))
    return median(taken)


async def measure(jobs: int, folder: Path) -> dict[str, float]:
    """Every read that pages, dispatchers and start-up make, on a ledger of so many jobs."""
    path = folder / f"{jobs}.db"
    url = f"sqlite+aiosqlite:///{path}"
    database = Database(url)
    await database.migrate()
    records = JobRecords(database)
    model = await completed(records)
    copy(path, model, jobs - 1)
    for _ in range(LIVE):
        await live(records)
    page = await records.jobs(20)
    begun = time.perf_counter()
    again = Database(url)
    await again.migrate()
    await JobRecords(again).live_jobs()
    figures = {"start-up": 1000 * (time.perf_counter() - begun)}
    await again.close()
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "poll": lambda: records.body(model),
        "list": lambda: records.jobs(20),
        "next page": lambda: records.jobs(20, page.next),
        "library": lambda: records.videos(20),
        "search": lambda: records.videos(20, search="nowhere"),
        "reconcile": records.live_jobs,
        "outbox": records.outbox,
        "queue": records.live_lines,
        "past generations": records.past,
        "metrics": records.standing,
        "new job": lambda: records.create(NewJob(script=SCRIPT, options=OPTIONS)),
    }
    figures |= {name: await timed(call) for name, call in calls.items()}
    await database.close()
    path.unlink()
    return figures


def main() -> None:
    """Print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    chosen = parser.parse_args()
    for place, jobs in enumerate(chosen.jobs):
        with tempfile.TemporaryDirectory(prefix="storyreel-growth-") as folder:
            figures = asyncio.run(measure(jobs, Path(folder)))
        if place == 0:
            print("| jobs in the ledger |", " | ".join(figures), "|\n|", "--- |" * (len(figures) + 1))
        print(f"| {jobs:,} |", " | ".join(f"{figure:.2f}" for figure in figures.values()), "|", flush=True)


if __name__ == "__main__":
    main()
