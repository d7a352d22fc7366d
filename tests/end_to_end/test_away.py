"""What the house stands on goes away while films are made: nothing is lost, nothing is paid twice, and it is said."""

import os
import random
import shutil
import sqlite3
import sys
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from api.database import BUSY_SECONDS
from tests.end_to_end.books import books
from tests.end_to_end.postgres import Postgres, on_postgres, postgres
from tests.end_to_end.running import SCRIPT, Stack, clean_env, run, start, stop, within

PREFECT_AWAY_SECONDS = 60
SANDBOX_AWAY_SECONDS = 12
FULL_SECONDS = 8
DISK_MIB = 64
BODY = {"script": SCRIPT.replace("{tag}", ""), "options": {"resolution": "540p"}}


def begun(stack: Stack, seconds: int) -> str:
    """A job all of whose scenes Luma has begun; one of them takes so many seconds."""
    job_id = stack.generate(f" [slow:{seconds}]")
    stack.until(job_id, lambda job: job["cost"]["spentUsd"] > 0.9 * job["cost"]["estimatedUsd"] > 0)
    return job_id


def all_end_well(stack: Stack, *job_ids: str) -> None:
    ends_well(stack, *job_ids)
    books(stack).check()


def ends_well(stack: Stack, *job_ids: str) -> None:
    for job_id in job_ids:
        job = stack.ended(job_id)
        assert (job["status"], job["outcome"], job["errorCode"]) == ("completed", "full", None), f"{job} {stack.logs()}"


def part_away(stack: Stack) -> list[str]:
    """The parts that `GET /api/ready` names as missing."""
    answer = httpx.get(f"{stack.api}/api/ready", timeout=30)
    missing = [check["name"] for check in answer.json()["checks"] if not check["ok"]]
    assert answer.status_code == (503 if missing else 200)
    return missing


def is_away(answer: httpx.Response) -> bool:
    """Whether an answer is the one problem that says that the ledger is away; any other error fails."""
    if answer.is_success:
        return False
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "unavailable"), answer.text
    assert problem["detail"].startswith("The ledger can't be reached just now"), problem
    assert answer.headers["retry-after"]
    return True


def sent(stack: Stack, key: str) -> str:
    """Send a job under a key until it is accepted, as a patient page does → its id."""
    with within(120) as until:
        answers: list[httpx.Response] = []

        def accepted() -> bool:
            answer = httpx.post(
                f"{stack.api}/api/generate", json=BODY, headers={"Idempotency-Key": key}, timeout=BUSY_SECONDS + 20
            )
            answers.append(answer)
            return not is_away(answer)

        until(accepted)
    job_id: str = answers[-1].json()["jobId"]
    return job_id


def test_prefect_away_in_mid_run_and_when_a_job_is_sent(stack: Stack) -> None:
    """The API is killed meanwhile: the outbox is in the ledger."""
    running = begun(stack, 8)
    with stack.held_down("prefect"):
        away = time.monotonic()
        waiting = stack.generate()
        assert part_away(stack) == ["prefect"]
        assert stack.job(waiting)["status"] == "queued"
        stack.until(running, lambda job: job["counts"]["completed"] == 3, 30)  # Luma and the ledger are there
        stack.part("api").kill()
        with within(10) as until:
            print(f"the killed API answered polls after {until(lambda: polled(stack, waiting)):.1f} s")  # noqa: T201
        time.sleep(max(0.0, away + PREFECT_AWAY_SECONDS - time.monotonic()))
        assert stack.job(waiting)["status"] == "queued"
    with within(60) as until:
        took = until(lambda: stack.job(waiting)["status"] != "queued")
    print(f"the waiting job ran {took:.1f} s after Prefect's server went on")  # noqa: T201
    all_end_well(stack, running, waiting)


def polled(stack: Stack, job_id: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{stack.api}/api/job/{job_id}", timeout=2).is_success
    return False


def test_luma_away_in_mid_run_and_when_scenes_are_submitted(stack: Stack) -> None:
    running = begun(stack, 5)
    luma = stack.part("sandbox")
    luma.suspend()
    try:
        waiting = stack.generate()
        assert part_away(stack) == ["luma"]
        time.sleep(SANDBOX_AWAY_SECONDS)
        assert {stack.job(job_id)["status"] for job_id in (running, waiting)} == {"processing"}
    finally:
        luma.resume()
    all_end_well(stack, running, waiting)


def test_a_locked_sqlite_ledger(stack: Stack) -> None:
    """Another process holds its write lock for longer than a writer waits."""
    running = begun(stack, 5)
    with closing(sqlite3.connect(stack.data / "storyreel.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        locked = time.monotonic()
        assert is_away(httpx.post(f"{stack.api}/api/generate", json=BODY, timeout=BUSY_SECONDS + 20))
        assert time.monotonic() - locked < BUSY_SECONDS + 5
        assert stack.job(running)["status"] == "processing"  # readers wait for nobody
        other.execute("ROLLBACK")
    all_end_well(stack, running, sent(stack, "after the lock"))


@pytest.mark.timeout(400)
def test_a_postgresql_ledger_that_comes_and_goes(tmp_path: Path) -> None:
    """Stopped or hanging for up to five seconds every five to ten."""
    rng, jobs = random.Random(3), list[str]()
    with postgres(tmp_path / "postgres") as database:
        stack = postgres_stack(tmp_path / "stack", database)
        try:
            end = time.monotonic() + 40
            while time.monotonic() < end:
                jobs.append(sent(stack, str(len(jobs))))
                time.sleep(rng.uniform(2, 6))
                with rng.choice([database.stopped, database.hanging])():
                    back = time.monotonic() + rng.uniform(1, 5)
                    while time.monotonic() < back:
                        watched(stack, jobs)
                        time.sleep(0.2)
            with database.stopped():
                assert is_away(httpx.post(f"{stack.api}/api/generate", json=BODY, timeout=10))
                assert part_away(stack) == ["ledger"]
            all_end_well(stack, *jobs)
        finally:
            stop(stack)


def watched(stack: Stack, jobs: list[str]) -> None:
    """Poll as pages do: a state of the job, or the one problem; a page that waits too long goes away."""
    for job_id in jobs:
        with suppress(httpx.ReadTimeout):
            is_away(httpx.get(f"{stack.api}/api/job/{job_id}", timeout=0.5))


def postgres_stack(folder: Path, database: Postgres) -> Stack:
    """A stack whose ledger is in this database."""
    stack = start(folder, STORYREEL_LUMA_CREATES_PER_MINUTE="0", **on_postgres(database, folder))
    configure(stack)
    return stack


@pytest.mark.timeout(400)
def test_a_full_disk(tmp_path: Path) -> None:
    """Ledger, media, logs and Prefect's own database all lie on it."""
    mount = f'mount -t tmpfs -o size={DISK_MIB}m tmpfs {tmp_path} && exec "$@"'
    apart = ["unshare", "--mount", *(["--user", "--map-root-user"] if os.geteuid() else []), "sh", "-c", mount, "sh"]
    if sys.platform != "linux" or run(*apart, "true", env=clean_env(tmp_path)).returncode:
        pytest.skip("a small disk of one's own needs Linux and the right to mount one")
    stack = start(tmp_path, *apart, STORYREEL_LUMA_CREATES_PER_MINUTE="0")
    stack.data = Path(f"/proc/{stack.process.pid}/root{tmp_path}")
    try:
        configure(stack)
        running = begun(stack, 5)
        ballast = stack.data / "ballast"
        fill(ballast)
        full = time.monotonic()
        assert is_away(httpx.post(f"{stack.api}/api/generate", json=BODY, timeout=BUSY_SECONDS + 20))
        assert stack.job(running)["status"] == "processing"
        time.sleep(max(0.0, full + FULL_SECONDS - time.monotonic()))
        assert stack.job(running)["status"] == "processing"
        ballast.unlink()
        ends_well(stack, running, sent(stack, "after the full disk"))
        books(copied(stack, tmp_path / "copy")).check()
    finally:
        stop(stack)


def copied(stack: Stack, folder: Path) -> Stack:
    """A copy of a ledger at rest: SQLite follows the link under /proc to where the disk can't be seen."""
    folder.mkdir()
    for file in stack.data.glob("storyreel.db*"):
        shutil.copy(file, folder)
    return replace(stack, data=folder)


def fill(path: Path) -> None:
    """Write until the disk takes no more."""
    with path.open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(b"0" * (1 << 16))


def configure(stack: Stack) -> None:
    quick = {"generation_seconds": 3.0, "dream_machine_creates_per_minute": 0, "clips": "cached"}
    httpx.put(f"{stack.sandbox}/_sandbox/config", json=quick, timeout=10).raise_for_status()
