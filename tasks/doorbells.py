"""Doorbells: Luma's callbacks reach the API, waits are in a worker; the ledger carries the ring between them."""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from tasks import logs
from tasks.clock import now
from tasks.ledger import SceneLedger

log = logging.getLogger("storyreel.doorbells")

LOOK_EVERY: Final = 0.05  # seconds; one indexed read for all waits of the process
SKEW: Final = timedelta(seconds=60)  # between the clocks of the machines that write and read
NEAR: Final = timedelta(seconds=2)  # between clocks that are kept, with the time that a write may take
WIDE_EVERY: Final = 1.0  # seconds between looks as far back as the clocks may differ


class Doorbells:
    """One for each attempt that is waited for; looks only while somebody waits."""

    def __init__(self, ledger: SceneLedger, every: float = LOOK_EVERY) -> None:
        self._ledger, self._every = ledger, every
        self._bells: dict[str, asyncio.Event] = {}
        self._heard: dict[str, datetime] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def bell(self, token: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the callback of this attempt has come."""
        bell = self._bells[token] = asyncio.Event()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield bell
        finally:
            if self._bells.get(token) is bell:  # not of one who waits for the same attempt by now
                del self._bells[token]
                self._heard.pop(token, None)

    async def _look(self) -> None:
        """Seldom as far back as clocks may differ, for that is a thousand rings when a thousand scenes come home."""
        logs.forget()  # it looks for all
        loop, newest, wide_at = asyncio.get_running_loop(), now(), -math.inf
        while self._bells:
            moment = loop.time()
            wide = moment >= wide_at
            try:
                rung = await self._ledger.rung(min(newest, now()) - (SKEW + NEAR if wide else NEAR))
            except Exception:
                log.warning("the doorbells can't be looked at", exc_info=True)
            else:
                newest, wide_at = max([newest, *rung.values()]), moment + WIDE_EVERY if wide else wide_at
                self._ring(rung)
            await asyncio.sleep(self._every)

    def _ring(self, rung: Mapping[str, datetime]) -> None:
        """Set the bells of the rings that are new."""
        for token, at in rung.items():
            if token in self._bells and self._heard.get(token) != at:
                self._heard[token] = at
                self._bells[token].set()
