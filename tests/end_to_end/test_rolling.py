"""Two workers on one Prefect server, and one of them ends: by SIGTERM, as in a rolling restart, or by -9."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from deployments.stack import environment
from tasks.luma.pool import LINGER_SECONDS
from tasks.luma.share import SLOTS
from tasks.settings import Settings
from tests.end_to_end.books import books
from tests.end_to_end.running import ROOT, Stack, within

JOBS, SCENES = 3, 3
HANDED_ON_SECONDS = 10
KILLED_SECONDS = 90
RESTARTED_SECONDS = 10


@pytest.fixture
def second(stack: Stack, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another worker beside that of the stack."""
    env = stack.env | environment(Settings(data=stack.data, _env_file=None), stack.addresses)  # type: ignore[call-arg]
    log = tmp_path / "second.log"
    command = [sys.executable, "-m", "deployments.cli", "worker", "--name", "second"]
    with log.open("w") as said:
        worker = subprocess.Popen(command, env=env, cwd=ROOT, text=True, stdout=said, stderr=said)
    try:
        with within(60) as until:
            until(lambda: "started!" in log.read_text())
        yield worker
    finally:
        worker.kill()
        worker.wait(30)


@contextmanager
def asleep(stack: Stack, name: str) -> Iterator[None]:
    """A part that does nothing for a while, as on a machine that stalls; slots of films before are given back first."""
    with within(LINGER_SECONDS + 10) as until:
        until(lambda: free_slots(stack) >= JOBS * SCENES)
    part = stack.part(name)
    part.suspend()
    try:
        yield
    finally:
        part.resume()


def free_slots(stack: Stack) -> int:
    """How many of the account's slots nobody has: those of a part that stalls come back after a minute only."""
    limit = httpx.get(f"{stack.prefect}/v2/concurrency_limits/{SLOTS}", timeout=10).json()
    return int(limit["limit"] - limit["active_slots"])


def begun_by(stack: Stack, worker: int) -> dict[str, str]:
    """Jobs that this worker runs, and all of whose scenes Luma has begun: id → run's id."""
    jobs = [stack.generate(f" [slow:12] {number}") for number in range(JOBS)]
    for job in jobs:
        stack.until(job, lambda job: job["cost"]["spentUsd"] > 0.9 * job["cost"]["estimatedUsd"] > 0)
    runs = {job: stack.job(job)["flowRunId"] for job in jobs}
    assert {stack.worker_of(run) for run in runs.values()} == {worker}
    return runs


def all_end_well(stack: Stack, jobs: dict[str, str]) -> None:
    for job_id, run in jobs.items():
        job = stack.ended(job_id)
        assert (job["status"], job["outcome"], job["run"], job["flowRunId"]) == ("completed", "full", 1, run)
    books(stack).check()


def test_a_stopped_workers_films_go_on_at_the_other_within_seconds(stack: Stack, second: subprocess.Popen[str]) -> None:
    with asleep(stack, "worker"):
        jobs = begun_by(stack, second.pid)
    first = stack.part("worker").pid
    second.send_signal(signal.SIGTERM)
    with within(HANDED_ON_SECONDS) as until:
        took = until(lambda: {stack.worker_of(run) for run in jobs.values()} == {first})
    print(f"after SIGTERM all runs go on at the other worker within {took:.1f} s")  # noqa: T201 - shown with -rP
    assert second.wait(30) == 0
    all_end_well(stack, jobs)


def test_a_killed_workers_films_go_on_at_the_other(stack: Stack, second: subprocess.Popen[str]) -> None:
    with asleep(stack, "worker"):
        jobs = begun_by(stack, second.pid)
    first = stack.part("worker").pid
    second.kill()
    with within(KILLED_SECONDS) as until:
        took = until(lambda: {stack.worker_of(run) for run in jobs.values()} == {first})
    print(f"after -9 all runs go on at the other worker within {took:.1f} s")  # noqa: T201
    all_end_well(stack, jobs)


def test_a_killed_worker_that_is_begun_again_goes_on_within_seconds(stack: Stack) -> None:
    before = stack.part("worker")
    jobs = begun_by(stack, before.pid)
    before.kill()
    with within(RESTARTED_SECONDS) as until:
        took = until(lambda: not {None, before.pid} & {stack.worker_of(run) for run in jobs.values()})
    print(f"after -9 and its restart the worker runs all of them again within {took:.1f} s")  # noqa: T201
    all_end_well(stack, jobs)


def test_a_killed_api_answers_again_at_once_and_its_films_go_on(stack: Stack) -> None:
    jobs = begun_by(stack, stack.part("worker").pid)
    stack.part("api").kill()
    with within(RESTARTED_SECONDS) as until:
        took = until(lambda: answers(f"{stack.api}/api/job/{next(iter(jobs))}"))
    print(f"after -9 the API answers polls again within {took:.1f} s")  # noqa: T201
    all_end_well(stack, jobs)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False
