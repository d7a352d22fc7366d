from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    Suspended,
)

from deployments.watch import Verdict, judge
from tasks.owner import Owner

ME = Owner("alpha", "house", "space1", 1, 1.0)
OTHER = Owner("beta", "house", "space1", 2, 2.0)


@pytest.mark.parametrize(
    ("theirs", "verdict"),
    [
        (None, Verdict.LEAVE),
        (Running(message=str(ME)), Verdict.KEEP),
        (Running(), Verdict.KEEP),
        (Running(message=str(OTHER)), Verdict.LEAVE),
        (Pending(message=str(ME)), Verdict.KEEP),
        (Pending(message=str(OTHER)), Verdict.LEAVE),
        (AwaitingRetry(), Verdict.RECLAIM),
        (Scheduled(), Verdict.RECLAIM),
        (Cancelling(), Verdict.CANCEL),
        (Cancelled(), Verdict.LEAVE),
        (Completed(), Verdict.LEAVE),
        (Failed(), Verdict.LEAVE),
        (Crashed(), Verdict.LEAVE),
        (Paused(timeout_seconds=60), Verdict.KEEP),
        (Suspended(timeout_seconds=60), Verdict.LEAVE),
    ],
)
def test_a_state_that_others_set_says_what_to_do(theirs: State | None, verdict: Verdict) -> None:
    assert judge(theirs, {uuid4()}, ME) is verdict


@pytest.mark.parametrize("state", [AwaitingRetry(), Completed(), Failed()])
def test_a_state_of_ones_own_is_no_news(state: State) -> None:
    assert judge(state, {state.id}, ME) is Verdict.KEEP
