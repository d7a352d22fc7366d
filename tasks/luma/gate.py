"""The gate before one account's limits: who may create a generation, and when. One per account and process.

All waiting for slots happens here, so that Luma hardly ever refuses; a freed slot is handed on at once.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tasks import metrics
from tasks.luma.turns import Turns
from tasks.luma.window import Place, SlidingWindow

UNTOLD_HOLD: Final = 5.0  # seconds to wait after a 429 that doesn't say how long
LONGEST_HOLD: Final = 120.0  # seconds; a longer Retry-After is cut to this


@dataclass(frozen=True, slots=True)
class GateStats:
    """The gate at one moment."""

    limit: int
    held: int
    """Slots in use; above the limit when more was found running at Luma."""
    waiting: int
    jobs_waiting: int
    creates_last_minute: int
    reason: str | None
    """Why nobody passes just now, if so."""
    seconds_left: float | None
    """Until the hold ends by itself; None: no hold, or until `let_go`."""


@dataclass(eq=False, slots=True)
class _Waiter:
    job: Hashable
    granted: asyncio.Future[Place]
    has_slot: bool


class Slot:
    """The right to have one generation at Luma."""

    def __init__(self, gate: "Gate", job: Hashable, place: Place | None) -> None:
        self._gate, self._job, self._place = gate, job, place

    def answered(self) -> None:
        """Say that the create's answer, whatever it was, has arrived: makes the minute's count exact."""
        if self._place is not None:
            self._gate._answered(self._place)

    async def refused(self, retry_after: float | None = None) -> None:
        """Luma said 429: hold the gate as long as it asks; return when this one, before all others, may create."""
        seconds = UNTOLD_HOLD if retry_after is None else min(retry_after, LONGEST_HOLD)
        self.answered()
        self._gate.hold(seconds, "Luma asks to wait: its limit for this account is reached.")
        self._place = await self._gate._turn(self._job, has_slot=True)

    async def barred(self) -> None:
        """Luma refused the account, and the gate is held: return when this one, before all others, may create."""
        self.answered()
        self._place = await self._gate._turn(self._job, has_slot=True)


class Gate:
    """Hands out slots: at most `concurrency` at once and `creates_per_minute` (0: any number), fairly between jobs.

    Belongs to one event loop; its clock is the loop's.
    """

    def __init__(self, concurrency: int, creates_per_minute: int) -> None:
        self.concurrency, self.creates_per_minute = concurrency, creates_per_minute
        """The account's limits; this process's share of them may be less."""
        self.held = 0
        """Slots in use."""
        self.changed: Callable[[], object] = lambda: None
        """Called when somebody begins to wait or a slot becomes free."""
        self._allowed = concurrency
        self._window = SlidingWindow(creates_per_minute or None)
        self._turns: Turns[_Waiter] = Turns()
        self._held_until, self._reason = -math.inf, ""
        self._closed: str | None = None
        self._let = 0
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def slot(self, job: Hashable, *, creates: bool = True) -> AsyncIterator[Slot]:
        """Wait for a slot and keep it until the block ends: that is, while the generation runs at Luma.

        `creates=False`: the generation runs already and so occupies a slot there; it takes one here without waiting,
        even above the limit. Cancelling a waiter costs nobody a turn.
        """
        place = None
        if creates:
            begun = self._now()
            place = await self._turn(job, has_slot=False)
            metrics.SLOT_WAIT.observe(self._now() - begun)
        else:
            self.held += 1
            self._show()
        try:
            yield Slot(self, job, place)
        finally:
            self.held -= 1
            self.wake()
            self.changed()

    @property
    def waiting(self) -> int:
        """Scenes that wait for a slot."""
        return len(self._turns)

    @property
    def jobs_waiting(self) -> int:
        """Jobs that have such scenes."""
        return self._turns.jobs

    @property
    def created(self) -> int:
        """Creates that count now against those of a minute."""
        return self._window.used(self._now())

    def allow_slots(self, slots: int) -> None:
        """So many from now on; who has one keeps it."""
        self._allowed = slots
        self.wake()

    def allow_creates(self, per_minute: int) -> None:
        """So many from now on."""
        self._window.limit = per_minute
        self.wake()

    def recall(self, ages: Iterable[float]) -> None:
        """Count creates against the minute that an earlier process sent so many seconds ago."""
        self._window.recall(self._now(), ages)

    def hold(self, seconds: float | None, reason: str) -> None:
        """Let nobody create for so many seconds, of which the longest count, or until `let_go` (None)."""
        if seconds is None:
            self._closed, self._let = reason, 0
        elif self._now() + seconds >= self._held_until:
            self._held_until, self._reason = self._now() + seconds, reason
        self.wake()

    def let_go(self) -> None:
        """End the hold that has no end of its own."""
        self._closed, self._let = None, 0
        self.wake()

    def let_one(self, number: int = 1) -> None:
        """Let so many create although the gate is held until `let_go`: the next one tries for all."""
        self._let = number
        self.wake()

    def place(self, job: Hashable) -> int | None:
        """The job's place among those who wait: 1 is next; None: it doesn't wait."""
        return self._turns.places().get(job)

    def places(self) -> dict[Hashable, int]:
        """Every waiting job's place."""
        return self._turns.places()

    def stats(self) -> GateStats:
        """The gate now."""
        now = self._now()
        left = self._held_until - now
        return GateStats(
            limit=self.concurrency,
            held=self.held,
            waiting=self.waiting,
            jobs_waiting=self.jobs_waiting,
            creates_last_minute=self.created,
            reason=self._closed or (self._reason if left > 0 else None),
            seconds_left=left if left > 0 and self._closed is None else None,
        )

    def wake(self) -> None:
        """Let all pass who may, and see to being called again when time alone lets the next one pass."""
        now = self._now()
        opens = self._opens(now)
        while self._turns and opens <= now:
            waiter = self._turns.first()
            if waiter.granted.done():  # cancelled, but not yet gone
                self._turns.leave(waiter.job, waiter)
                continue
            if not waiter.has_slot and self.held >= self._allowed:
                break
            self.held += not waiter.has_slot
            self._turns.pop()
            self._let = max(0, self._let - 1)
            waiter.granted.set_result(self._window.take(now))
            opens = self._opens(now)
        self._call_again(opens if self._turns and now < opens < math.inf else None)
        self._show()

    def _show(self) -> None:
        metrics.GATE_HELD.set(self.held)
        metrics.GATE_WAITING.set(len(self._turns))

    def _opens(self, now: float) -> float:
        if self._closed is not None and not self._let:
            return math.inf
        return max(self._window.free_at(now), self._held_until)

    def _call_again(self, at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at is None else asyncio.get_running_loop().call_at(at, self.wake)

    async def _turn(self, job: Hashable, *, has_slot: bool) -> Place:
        waiter = _Waiter(job, asyncio.get_running_loop().create_future(), has_slot)
        (self._turns.rejoin if has_slot else self._turns.join)(job, waiter)
        self.wake()
        self.changed()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise

    def _withdraw(self, waiter: _Waiter) -> None:
        """A cancelled waiter leaves; what it was granted in the same moment goes on to the next."""
        if waiter.granted.done() and not waiter.granted.cancelled():
            self._window.give_back(waiter.granted.result())
            if not waiter.has_slot:
                self.held -= 1
        else:
            self._turns.leave(waiter.job, waiter)
        self.wake()

    def _answered(self, place: Place) -> None:
        self._window.answered(place, self._now())
        self.wake()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
