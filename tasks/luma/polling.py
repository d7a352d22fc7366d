"""Waiting for a generation: polling is the truth, a callback only rings the doorbell."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import random as chance
from typing import Final

from tasks.luma.backoff import Backoff
from tasks.luma.client import LumaClient
from tasks.luma.errors import (
    AssetBroken,
    DeadlinePassed,
    GenerationFailed,
    GenerationNotFound,
    LumaError,
    StrangeAnswer,
    Unavailable,
)
from tasks.luma.wire import Generation, GenerationState

POLL_BACKOFF: Final = Backoff(base=2, factor=1.5, maximum=15, jitter=0.3)
RING_GAP: Final = 0.25  # seconds between polls, however often the doorbell rings
_ODD_ANSWERS: Final = 3  # in a row, until "not found" or "completed, but no video" is believed


@dataclass(slots=True)
class _Sight:
    """What the polls have shown so far."""

    state: GenerationState | None = None
    odd: int = 0
    trouble: LumaError | None = None


async def wait_for(
    client: LumaClient,
    generation_id: str,
    *,
    backoff: Backoff = POLL_BACKOFF,
    deadline_seconds: float,
    first_poll_after: float = 0,
    doorbell: asyncio.Event | None = None,
    random: Callable[[], float] = chance,
    on_state: Callable[[Generation], Awaitable[None]] | None = None,
) -> Generation:
    """Return the completed generation, which has a `video_url`.

    `deadline_seconds` and `first_poll_after` count from now; there is always at least one poll, and a last one at the
    deadline. `doorbell`: when set, it is cleared and polled at once. `on_state` is awaited when the state has changed.

    Raises GenerationFailed, DeadlinePassed, GenerationNotFound, AssetBroken (completed without a video), AccountError
    or RequestRefused. An unknown state counts as running; Luma not answering is waited out until the deadline.
    """
    loop = asyncio.get_running_loop()
    due, deadline = loop.time() + first_poll_after, loop.time() + deadline_seconds
    polls, last, sight = 0, float("-inf"), _Sight()
    while True:
        await _rest(min(due, deadline) - loop.time(), doorbell)
        await asyncio.sleep(max(0.0, last + RING_GAP - loop.time()))
        last = loop.time()
        generation = await _look(client, generation_id, sight)
        if generation is not None:
            if on_state is not None and generation.state is not sight.state:
                await on_state(generation)
            sight.state = generation.state
            if _finished(generation, sight):
                return generation
        if last >= deadline:
            raise DeadlinePassed(_late(deadline_seconds, sight))
        if loop.time() >= due:  # an early poll by the doorbell leaves the schedule as it is
            due = loop.time() + backoff.delay(polls, random())
            polls += 1


async def _rest(seconds: float, doorbell: asyncio.Event | None) -> None:
    """Sleep, or less when the doorbell rings."""
    if doorbell is None:
        await asyncio.sleep(max(0.0, seconds))
        return
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await doorbell.wait()
    except TimeoutError:
        return
    doorbell.clear()


async def _look(client: LumaClient, generation_id: str, sight: _Sight) -> Generation | None:
    """One poll; None: nothing to learn this time."""
    try:
        generation = await client.get(generation_id)
    except (Unavailable, StrangeAnswer) as error:
        sight.trouble = error
        return None
    except GenerationNotFound as error:  # a read replica may not know it yet
        sight.trouble, sight.odd = error, sight.odd + 1
        if sight.odd >= _ODD_ANSWERS:
            raise
        return None
    sight.trouble = None
    return generation


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
