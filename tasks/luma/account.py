"""The account behind the gate: while Luma refuses it, jobs wait instead of failing one after the other.

The job that finds it out fails with the reason. The ledger carries that to every process, whose gates then hold. Now
and then a process asks Luma whether the account works again, and lets one create go ahead of all others; when Luma
takes it, all may go.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from random import random as chance
from typing import Final, Protocol
from uuid import UUID, uuid4

from tasks import logs
from tasks.luma.backoff import Backoff
from tasks.luma.client import LumaClient
from tasks.luma.errors import AccountError, LumaError
from tasks.luma.gate import Gate

log = logging.getLogger("storyreel.account")

DREAM_MACHINE: Final = "dream-machine"
LOOK_EVERY: Final = 2.0  # seconds between looks into the ledger; one key read
TRY_BACKOFF: Final = Backoff(base=5, factor=2, maximum=60, jitter=0.2)
MICROS_PER_CENT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Hold:
    """Why all jobs of an account wait."""

    id: UUID
    account: str
    code: str
    reason: str
    """One sentence for people."""
    since: datetime
    needed_micros: int | None
    """What the create would have cost that Luma refused; None: it refused a question."""


class HoldLedger(Protocol):
    """Where every process learns of it."""

    async def hold(self, hold_id: UUID, account: str, *, code: str, reason: str, needed_micros: int | None) -> Hold:
        """Hold the account, unless it is held already → the hold that is in force."""

    async def held(self, account: str) -> Hold | None:
        """The hold in force."""

    async def let_go(self, hold: Hold) -> None:
        """End this hold, and no other."""

    async def anybody_waits(self) -> bool:
        """Whether some job is queued or being made."""


class Account:
    """One account as this process knows it; closes and opens the gate."""

    def __init__(
        self,
        name: str,
        luma: LumaClient,
        gate: Gate,
        ledger: HoldLedger,
        *,
        every: float = LOOK_EVERY,
        backoff: Backoff = TRY_BACKOFF,
        random: Callable[[], float] = chance,
    ) -> None:
        """`every`: seconds between looks into the ledger; `backoff`: between tries of a refused account."""
        self.name = name
        self.hold: Hold | None = None
        self._luma, self._gate, self._ledger = luma, gate, ledger
        self._every, self._backoff, self._random = every, backoff, random
        self._answers_us = asyncio.Event()
        self._answers_us.set()
        self._askers = 0
        self._tries, self._try_at = 0, 0.0
        self._watchers = 0
        self._watching: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Begin as the ledger says and follow it until the block ends; blocks may overlap."""
        await self._look()
        self._watchers += 1
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers and self._watching:
                ending, self._watching = self._watching, None  # whoever begins meanwhile watches anew
                ending.cancel()
                await asyncio.gather(ending, return_exceptions=True)

    async def refused(self, error: AccountError, needed_micros: int | None, under: Hold | None) -> bool:
        """Luma refused the account; whether this call is the one that found it out, whose job is to fail.

        `needed_micros`: what the refused create would have cost; None for a question. `under`: the hold that was known
        when it was sent. Where that has been let go since, Luma has taken a later one: the refusal is old.
        """
        if under is not None and await self._ledger.held(self.name) is None:
            self._know(None)
            return False
        mine = uuid4()
        hold = await self._ledger.hold(
            mine, self.name, code=error.code, reason=error.message, needed_micros=needed_micros
        )
        self._know(hold)
        self._answers_us.clear()
        return hold.id == mine

    async def taken(self) -> None:
        """Luma took a create: the account works."""
        if self.hold is not None:
            await self._let_go(self.hold)

    async def works(self) -> None:
        """Return when Luma may be asked again: it answers a ping, or nothing holds the account.

        Not later: who asks may hold the place at the gate where a create is to prove that the account works.
        """
        self._askers += 1
        try:
            await self._answers_us.wait()
        finally:
            self._askers -= 1

    async def _watch(self) -> None:
        logs.forget()  # it watches for all
        while True:
            await asyncio.sleep(self._every)
            await self._look()

    async def _look(self) -> None:
        """Do as the ledger says; with the ledger away, as it said last."""
        try:
            self._know(await self._ledger.held(self.name))
            if self.hold is not None and asyncio.get_running_loop().time() >= self._try_at:
                await self._try(self.hold)
        except Exception:
            log.warning("the account can't be looked after just now", exc_info=True)

    def _know(self, hold: Hold | None) -> None:
        """Close or open the gate as the ledger says."""
        if (hold and hold.id) == (self.hold and self.hold.id):
            return
        self.hold = hold
        if hold is None:
            log.info("the account is let go: it works again")
            self._answers_us.set()
            self._gate.let_go()
        else:
            log.warning("the account is held: all jobs wait", extra={"code": hold.code})
            self._answers_us.clear()
            self._gate.hold(None, hold.reason)
            self._tries = 0
            self._later()

    def _later(self) -> None:
        pause = self._backoff.delay(self._tries, self._random())
        self._try_at, self._tries = asyncio.get_running_loop().time() + pause, self._tries + 1

    async def _try(self, hold: Hold) -> None:
        """See whether the account works again. Only a create proves it where a create was refused."""
        may_create = bool(self._gate.stats().waiting)
        to_be_proved = hold.needed_micros is not None and (may_create or await self._ledger.anybody_waits())
        if to_be_proved and not may_create and not self._askers:
            return  # in another process, which tries
        self._later()
        if not await self._answers(hold):
            self._gate.let_one(0)
        elif not to_be_proved:
            await self._let_go(hold)
        elif may_create:
            self._gate.let_one()

    async def _answers(self, hold: Hold) -> bool:
        """Whether Luma takes the key, and the account has the money that it lacked."""
        try:
            await self._luma.ping()
            self._answers_us.set()
            if hold.code == "luma_no_credits" and hold.needed_micros:
                return await self._luma.credits() * MICROS_PER_CENT >= hold.needed_micros
        except LumaError:
            return False
        return True

    async def _let_go(self, hold: Hold) -> None:
        await self._ledger.let_go(hold)
        self._know(None)
