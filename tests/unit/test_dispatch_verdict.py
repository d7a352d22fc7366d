"""What a live job learns from its flow run's state: a table."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from api.dispatch import Verdict, verdict
from api.prefect_api import RunState
from api.records import LiveJob
from api.states import LIVE, JobStatus

RUNNING = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "SOMETHING_NEW")
ENDED = {
    "CANCELLED": Verdict.CANCELLED,
    "FAILED": Verdict.FAILED,
    "CRASHED": Verdict.CRASHED,
    "COMPLETED": Verdict.FAILED,
}


def _learn(status: JobStatus, run: str | None) -> Verdict:
    job = LiveJob(uuid4(), 1, status, uuid4(), datetime.now(UTC))
    return verdict(job, RunState(run, run.title(), None) if run else None)


@pytest.mark.parametrize("status", sorted(LIVE))
@pytest.mark.parametrize(("run", "learnt"), ENDED.items())
def test_a_run_that_ended(status: JobStatus, run: str, learnt: Verdict) -> None:
    assert _learn(status, run) is learnt


@pytest.mark.parametrize("run", RUNNING)
def test_a_run_that_goes_on(run: str) -> None:
    assert _learn(JobStatus.QUEUED, run) is Verdict.NOTHING
    assert _learn(JobStatus.PROCESSING, run) is Verdict.NOTHING
    assert _learn(JobStatus.CANCELLING, run) is Verdict.TELL_CANCEL  # it was not heard, or was begun again since


def test_a_run_that_is_being_cancelled() -> None:
    assert _learn(JobStatus.PROCESSING, "CANCELLING") is Verdict.CANCELLING
    assert _learn(JobStatus.CANCELLING, "CANCELLING") is Verdict.NOTHING


@pytest.mark.parametrize("status", sorted(LIVE))
def test_a_run_that_is_gone(status: JobStatus) -> None:
    assert _learn(status, None) is Verdict.CRASHED
