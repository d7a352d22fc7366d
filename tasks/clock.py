"""The wall clock: everything that writes down or compares a moment reads it here."""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final


def _system() -> datetime:
    return datetime.now(UTC)


CLOCK: Final[ContextVar[Callable[[], datetime]]] = ContextVar("storyreel_clock", default=_system)
"""What `now` reads; the simulation sets each of its processes' own."""


def now() -> datetime:
    """The present moment, UTC."""
    return CLOCK.get()()
