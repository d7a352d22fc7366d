"""Runs begin a few at a time: a beginning takes processor time, the rest of a run is waiting.

Twenty that begin together all reach Luma late, and its slots are empty meanwhile; in turns, the first is there at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Final

AT_ONCE: Final = 2
LONGEST: Final = 2.0
"""Seconds after which a run that does not say so is taken to have begun."""

_over: ContextVar[Callable[[], None] | None] = ContextVar("storyreel_beginning_over", default=None)


class Beginnings:
    """Turns to begin, in the order of asking. Belongs to one event loop."""

    def __init__(self, at_once: int = AT_ONCE, longest: float = LONGEST) -> None:
        self._room, self._longest = asyncio.Semaphore(at_once), longest

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn. It ends when `begun` is called in it, after `longest` seconds, or with the block."""
        await self._room.acquire()
        with ExitStack() as place:  # closing it again gives nothing back twice
            place.callback(self._room.release)
            timer = asyncio.get_running_loop().call_later(self._longest, place.close)
            before = _over.set(place.close)
            try:
                yield
            finally:
                _over.reset(before)
                timer.cancel()


def begun() -> None:
    """Tell, from anywhere in a run, that from now on it mostly waits; more than once is no harm."""
    if over := _over.get():
        over()
