"""Who had a run begin again: an operator, whose word counts once, or whoever looks after dead workers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.states import AwaitingRetry, Cancelled, Completed, Crashed, Failed, Late, Pending, Running, Scheduled

from flows.asked import GIVEN_BACK, SILENT, asked_again

BEGUN = (Scheduled, Pending, Running)
BACK = f"{GIVEN_BACK}the worker that held this run is gone."


def by_ui() -> State[Any]:
    return AwaitingRetry(message="Retry from the UI")


def by_terminal() -> State[Any]:
    return Scheduled(message="Retried via CLI")


def by_worker() -> State[Any]:
    return AwaitingRetry(message=BACK)


def by_automation() -> State[Any]:
    return AwaitingRetry(message=SILENT)


@pytest.mark.parametrize(
    ("states", "asked"),
    [
        (BEGUN, False),
        ((Scheduled, Late, Pending, Running), False),
        ((*BEGUN, Failed, by_ui, Pending, Running), True),
        ((*BEGUN, Completed, by_ui, Pending, Running), True),
        ((*BEGUN, Crashed, by_terminal, Pending, Running), True),
        ((*BEGUN, Cancelled, by_terminal, Late, Pending, Running), True),
        ((*BEGUN, Failed, AwaitingRetry, Pending, Running), True),  # by a script, without a word
        ((*BEGUN, Failed, by_ui, Pending, Running, Failed, by_ui, Pending, Running), True),
        # taken up while it ran: nobody asked
        ((*BEGUN, by_worker, Pending, Running), False),
        ((*BEGUN, by_automation, Pending, Running), False),
        ((*BEGUN, AwaitingRetry, Pending, Running), False),  # a stock worker was told to stop
        # taken up although it had ended: its last heartbeat came late, or it ended that very moment
        ((*BEGUN, Failed, by_automation, Pending, Running), False),
        ((*BEGUN, Failed, by_worker, Pending, Running), False),
        # asked for and then taken up: what was asked is done already, or half
        ((*BEGUN, Failed, by_ui, Pending, Running, by_worker, Pending, Running), False),
        ((*BEGUN, Failed, by_ui, Pending, Running, AwaitingRetry, Pending, Running), False),
        # the worker put the end back, so the automation's word is no longer the last
        ((*BEGUN, Failed, by_automation, Failed, by_ui, Pending, Running), True),
    ],
)
def test_only_an_operators_word_after_the_end_counts(states: tuple[Callable[[], State[Any]], ...], asked: bool) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    history = [make().model_copy(update={"timestamp": start + timedelta(seconds=n)}) for n, make in enumerate(states)]
    assert asked_again(history) is asked
    assert asked_again(reversed(history)) is asked
