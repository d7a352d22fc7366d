"""Waiting for a generation: polling is the truth, a callback only rings the doorbell."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tasks.luma.durations import Schedule
from tasks.luma.errors import (
    AssetBroken,
    DeadlinePassed,
    GenerationFailed,
    GenerationNotFound,
    LumaError,
    StrangeAnswer,
    Unavailable,
)
from tasks.luma.polls import Polls, Watched
from tasks.luma.wire import Generation, GenerationState

_ODD_ANSWERS: Final = 3  # in a row, until "not found" or "completed, but no video" is believed


@dataclass(slots=True)
class _Sight:
    """What the polls have shown so far."""

    state: GenerationState | None = None
    odd: int = 0
    trouble: LumaError | None = None


async def wait_for(
    polls: Polls,
    generation_id: str,
    schedule: Schedule,
    *,
    deadline_seconds: float,
    age: float = 0.0,
    doorbell: asyncio.Event | None = None,
    on_state: Callable[[Generation], Awaitable[None]] | None = None,
) -> Generation:
    """Return the completed generation, which has a `video_url`.

    `deadline_seconds` counts from now, `age` up to now; there is always at least one look, and a last one at the
    deadline. `doorbell`: when set, it is cleared and looked at once. `on_state` is awaited when the state has changed.

    Raises GenerationFailed, DeadlinePassed, GenerationNotFound, AssetBroken (completed without a video), AccountError
    or RequestRefused. An unknown state counts as running; Luma not answering is waited out until the deadline.
    """
    sight = _Sight()
    with polls.watched(generation_id, schedule, age, deadline_seconds) as one:
        async with _heard(polls, one, doorbell):
            while True:
                await one.news.wait()
                one.news.clear()
                generation = _learnt(one, sight)
                if generation is not None:
                    if on_state is not None and generation.state is not sight.state:
                        await on_state(generation)
                    sight.state = generation.state
                    if _finished(generation, sight):
                        return generation
                if one.asked >= one.until:
                    raise DeadlinePassed(_late(deadline_seconds, sight))


@contextlib.asynccontextmanager
async def _heard(polls: Polls, one: Watched, doorbell: asyncio.Event | None) -> AsyncIterator[None]:
    """Answer the doorbell until the block ends."""

    async def answer(bell: asyncio.Event) -> None:
        while True:
            await bell.wait()
            bell.clear()
            await polls.rung(one)

    answering = asyncio.create_task(answer(doorbell)) if doorbell else None
    try:
        yield
    finally:
        if answering:
            answering.cancel()


def _learnt(one: Watched, sight: _Sight) -> Generation | None:
    """What the last look has shown; None: nothing to learn this time."""
    answer = one.answer
    if isinstance(answer, Unavailable | StrangeAnswer):
        sight.trouble = answer
        return None
    if isinstance(answer, GenerationNotFound):  # a read replica may not know it yet
        sight.trouble, sight.odd = answer, sight.odd + 1
        if sight.odd >= _ODD_ANSWERS:
            raise answer
        return None
    if isinstance(answer, LumaError):
        raise answer
    sight.trouble = None
    return answer


def _finished(generation: Generation, sight: _Sight) -> bool:
    """Whether it completed with a video; raises when it ended otherwise."""
    if generation.state is GenerationState.FAILED:
        raise GenerationFailed(generation.failure_reason)
    if generation.state is not GenerationState.COMPLETED or generation.video_url is not None:
        sight.odd = 0
        return generation.state is GenerationState.COMPLETED
    sight.odd += 1
    if sight.odd >= _ODD_ANSWERS:
        raise AssetBroken("Luma says that this scene is finished but has no video for it.")
    return False


def _late(deadline_seconds: float, sight: _Sight) -> str:
    text = f"Luma did not finish this scene within {deadline_seconds:.0f} seconds"
    return f"{text}: {sight.trouble.message}" if sight.trouble else f"{text}."
