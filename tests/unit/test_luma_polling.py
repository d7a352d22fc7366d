"""Waiting for a generation, under virtual time, with scripted answers at the wire."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tasks.luma import (
    AccountError,
    AssetBroken,
    DeadlinePassed,
    DreamMachine,
    Generation,
    GenerationFailed,
    GenerationNotFound,
    GenerationState,
    Patience,
    wait_for,
)
from tasks.luma.durations import Schedule
from tasks.luma.polls import RING_GAP, Polls
from tests.virtual_time import run

EVEN = Schedule(first=0, share=0, least=4, most=4)
GROWING = Schedule(first=1, share=1, least=1, most=10)

QUEUED = {"id": "g1", "state": "queued"}
DREAMING = {"id": "g1", "state": "dreaming"}
ODD = {"id": "g1", "state": "reviewing"}
EMPTY = {"id": "g1", "state": "completed", "assets": {"video": None}}
DONE = {"id": "g1", "state": "completed", "assets": {"video": "https://cdn.test/a.mp4"}}


class Script:
    """Answers polls one after the other, the last one for ever, and remembers when each came."""

    def __init__(self, *answers: dict[str, Any] | int) -> None:
        self.answers = list(answers)
        self.polls: list[float] = []

    def __call__(self, _: httpx.Request) -> httpx.Response:
        self.polls.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            return httpx.Response(answer, json={"detail": f"status {answer}"})
        return httpx.Response(200, json=answer)


def wait(
    script: Script, beside: Callable[[asyncio.Event], Awaitable[None]] | None = None, **options: Any
) -> Generation:
    """`wait_for` with `beside` running next to it and ringing its doorbell; one try per question."""

    async def main() -> Generation:
        client = DreamMachine(
            SecretStr("key"),
            "https://luma.test/v1",
            transport=httpx.MockTransport(script),
            patience=Patience(reads=1),
        )
        doorbell = asyncio.Event()
        async with client:
            other = asyncio.ensure_future(beside(doorbell)) if beside else None
            try:
                settings = {"schedule": EVEN, "deadline_seconds": 100, **options}
                return await wait_for(Polls(client), "g1", doorbell=doorbell if beside else None, **settings)
            finally:
                if other:
                    other.cancel()

    return run(main())


@pytest.mark.parametrize(
    ("answers", "options", "polls"),
    [
        ([DONE], {}, [0]),
        ([DONE], {"schedule": Schedule(first=30, share=0, least=4, most=4)}, [30]),
        ([DONE], {"schedule": Schedule(first=30, share=0, least=4, most=4), "age": 20}, [10]),
        ([DREAMING, DONE], {"schedule": Schedule(first=3, share=0.5, least=4, most=9), "age": 12}, [0, 6]),
        ([QUEUED, DREAMING, DONE], {}, [0, 4, 8]),
        ([QUEUED, DREAMING, DREAMING, DREAMING, DREAMING, DONE], {"schedule": GROWING}, [1, 2, 4, 8, 16, 26]),
        ([ODD, ODD, DONE], {}, [0, 4, 8]),
        ([503, 503, DONE], {}, [0, 4, 8]),
        ([404, 404, DONE], {}, [0, 4, 8]),
        ([404, 404, DREAMING, 404, 404, DONE], {}, [0, 4, 8, 12, 16, 20]),
        ([EMPTY, EMPTY, DONE], {}, [0, 4, 8]),
    ],
)
def test_it_polls_until_done(answers: list[dict[str, Any] | int], options: dict[str, Any], polls: list[float]) -> None:
    script = Script(*answers)
    generation = wait(script, **options)
    assert generation.video_url == "https://cdn.test/a.mp4"
    assert script.polls == pytest.approx(polls)


@pytest.mark.parametrize(
    ("answers", "kind", "polls"),
    [
        ([QUEUED, {"id": "g1", "state": "failed", "failure_reason": "job failed"}], GenerationFailed, [0, 4]),
        ([DREAMING, 401], AccountError, [0, 4]),
        ([404], GenerationNotFound, [0, 4, 8]),
        ([EMPTY], AssetBroken, [0, 4, 8]),
        ([DREAMING], DeadlinePassed, [0, 4, 8, 10]),
        ([ODD], DeadlinePassed, [0, 4, 8, 10]),
        ([503], DeadlinePassed, [0, 4, 8, 10]),
    ],
)
def test_it_ends_with_a_reason(answers: list[dict[str, Any] | int], kind: type[Exception], polls: list[float]) -> None:
    script = Script(*answers)
    with pytest.raises(kind):
        wait(script, deadline_seconds=10)
    assert script.polls == polls


def test_a_deadline_that_has_passed_still_allows_one_poll() -> None:
    assert wait(Script(DONE), deadline_seconds=-5).state is GenerationState.COMPLETED
    script = Script(DREAMING)
    with pytest.raises(DeadlinePassed):
        wait(script, deadline_seconds=-5)
    assert script.polls == [0]


def test_the_deadline_says_what_troubled_it() -> None:
    with pytest.raises(DeadlinePassed, match=r"within 10 seconds: .*HTTP 503"):
        wait(Script(503), deadline_seconds=10)


def test_a_ring_is_answered_at_once_and_saves_the_look_that_was_due() -> None:
    script = Script(QUEUED, DREAMING, DONE)

    async def beside(doorbell: asyncio.Event) -> None:
        await asyncio.sleep(1)
        doorbell.set()

    wait(script, beside)
    assert script.polls == [0, 1, 5]


def test_a_ring_before_the_first_poll_brings_it_forward() -> None:
    script = Script(DONE)

    async def beside(doorbell: asyncio.Event) -> None:
        doorbell.set()

    wait(script, beside, schedule=Schedule(first=60, share=0, least=4, most=4))
    assert script.polls == [0]


def test_a_flood_of_rings_makes_few_polls() -> None:
    script = Script(DREAMING)

    async def beside(doorbell: asyncio.Event) -> None:
        while True:
            doorbell.set()
            await asyncio.sleep(0.001)

    with pytest.raises(DeadlinePassed):
        wait(script, beside, schedule=GROWING, deadline_seconds=30)
    gaps = [later - earlier for earlier, later in zip(script.polls, script.polls[1:], strict=False)]
    assert min(gaps) >= RING_GAP - 1e-9
    assert len(script.polls) <= 30 / RING_GAP + 2


def test_state_changes_are_told_once_each() -> None:
    told = []

    async def on_state(generation: Generation) -> None:
        told.append(generation.state.value)

    wait(Script(QUEUED, QUEUED, 503, DREAMING, ODD, DREAMING, DONE), on_state=on_state)
    assert told == ["queued", "dreaming", "unrecognised", "dreaming", "completed"]
