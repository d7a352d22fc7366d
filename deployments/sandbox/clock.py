"""The sandbox's clock: it runs with the event loop, and tests move it forward."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime


def loop_time() -> float:
    """Seconds by the running event loop (which a test may have made virtual), else by the monotonic clock."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


class Clock:
    """Wall time that never goes back: its start, plus what has passed, plus what was advanced."""

    def __init__(self, start: datetime | None = None, elapsed: Callable[[], float] = loop_time) -> None:
        self._start = start
        self._elapsed = elapsed
        self._origin: float | None = None  # set on first use, so that a clock made outside the loop follows the loop
        self._advanced = 0.0
        self._sleepers: set[asyncio.Future[None]] = set()

    def time(self) -> float:
        """Seconds since the Unix epoch."""
        if self._origin is None:
            start = self._start or datetime.now(UTC)
            self._origin = start.timestamp() - self._elapsed()
        return self._origin + self._elapsed() + self._advanced

    def now(self) -> datetime:
        """The time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        """Move forward and wake whoever sleeps by this clock; raises ValueError on a negative step."""
        if seconds < 0:
            raise ValueError("a clock can't be moved back")
        self.time()
        self._advanced += seconds
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Sleep by this clock: advancing it shortens the wait."""
        await self.sleep_until(self.time() + seconds)

    async def sleep_until(self, when: float) -> None:
        """Sleep until the clock reads `when`, in seconds since the epoch."""
        while (remaining := when - self.time()) > 0:
            moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleepers.add(moved)
            try:
                await asyncio.wait([moved], timeout=remaining)
            finally:
                self._sleepers.discard(moved)


def rfc3339(when: float) -> str:
    """Seconds since the epoch as Luma writes times: microseconds and Z."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
