"""Waiting out a database that is away: what a run has to tell is money that was spent."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from api.database import AWAY
from api.records.together import Undone, alone
from tasks.luma.backoff import Backoff

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("storyreel.records")

AWAY_AT_MOST: Final = 600.0
"""Seconds until a run gives up; its job can be run again and pays for nothing twice."""
AWAY_BACKOFF: Final = Backoff(base=0.2, factor=2, maximum=5, jitter=0)


def patient(telling: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Do it again while the database is away, and alone where it was undone with others.

    Only for what may be repeated: a lost commit may have been made.
    """
    through_absence = _through_absence(telling)

    @wraps(telling)
    async def patiently(*args: P.args, **kwargs: P.kwargs) -> T:
        with suppress(Undone):
            return await through_absence(*args, **kwargs)
        with alone():
            return await through_absence(*args, **kwargs)

    return patiently


def _through_absence(telling: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    async def again(*args: P.args, **kwargs: P.kwargs) -> T:
        loop, tries = asyncio.get_running_loop(), 0
        end = loop.time() + AWAY_AT_MOST
        while True:
            try:
                return await telling(*args, **kwargs)
            except AWAY as error:
                if loop.time() >= end:
                    raise
                log.log(logging.DEBUG if tries else logging.WARNING, "the ledger is away: %s", type(error).__name__)
            await asyncio.sleep(AWAY_BACKOFF.delay(tries, 0.5))
            tries += 1

    return again
