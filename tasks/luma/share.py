"""This process's share of an account's limits: leased while scenes need it, and handed on to whoever waits elsewhere.

Prefect's global concurrency limits are what can't be passed; what each process tells of its gate in the ledger says how
to divide them. While nobody else waits, a freed slot goes to the next scene here at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID, uuid4

from tasks.clock import now
from tasks.luma.gate import Gate
from tasks.luma.leases import Lessor
from tasks.luma.pool import LINGER_SECONDS, REFUSED_SECONDS, Pool
from tasks.luma.shares import Claim
from tasks.luma.window import WINDOW
from tasks.owner import Owner

log = logging.getLogger("storyreel.share")

SLOTS: Final = "luma"
CREATES: Final = "luma-creates"
"""Names of the limits at Prefect: generations at once, and creates in a minute."""
TELL_SECONDS: Final = 1.0  # between tellings of our gate and looks at the others'
HUNGRY: Final = 4  # times as often while scenes wait here that another process may give a slot to
SILENT_SECONDS: Final = 10.0  # after which a gate that tells nothing new is gone
CLOSE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class GateReport:
    """What a process tells the others of its gate."""

    id: UUID
    owner: str
    """Which process it is: `Owner` as text."""
    waiting: int
    jobs: int
    held: dict[str, int]
    """By limit."""
    leases: tuple[tuple[UUID, str, int], ...]
    """(id, limit, slots) of each, for who takes up the work when this process dies."""
    told_at: datetime

    def claim(self, limit: str) -> Claim:
        """On a limit."""
        return Claim(self.id, self.held.get(limit, 0), self.waiting, self.jobs)


class GateLedger(Protocol):
    """Where processes tell each other of their gates."""

    async def tell_gate(self, mine: GateReport) -> list[GateReport]:
        """Write this one down → those of the other processes."""

    async def close_gate(self, gate_id: UUID) -> None:
        """Forget it."""

    async def created_since(self, moment: datetime) -> list[datetime]:
        """When creates were sent since then, by any process, the earliest first."""


class Share:
    """Leases for one gate, while somebody makes scenes behind it."""

    def __init__(
        self,
        gate: Gate,
        *,
        lessor: Lessor,
        ledger: GateLedger,
        every: float = TELL_SECONDS,
        share_id: UUID | None = None,
    ) -> None:
        """`every`: seconds between looks at the others."""
        self.id, self._every = share_id or uuid4(), every
        self._gate, self._ledger, self._owner = gate, ledger, Owner.here("gate")
        self._pools = [Pool.of(lessor, SLOTS, gate.concurrency, lambda: gate.held, gate.allow_slots)]
        if creates := gate.creates_per_minute:
            self._pools.append(Pool.of(lessor, CREATES, creates, lambda: gate.created, gate.allow_creates))
        for pool in self._pools:
            pool.apply()
        self._others: dict[UUID, tuple[GateReport, float]] = {}
        self._tell_at = 0.0
        self._users = 0
        self._changed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        gate.changed = self._changed.set

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Have what scenes need until the block ends; blocks may overlap."""
        self._users += 1
        self._changed.set()
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            self._users -= 1
            self._changed.set()

    def fraction(self) -> float:
        """Of what an account may do at all, how much is this process's: even parts."""
        return 1 / (1 + len(self._live()))

    async def close(self) -> None:
        """Give everything back that this process alone used, or leave it to lapse."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._tried(self._leave())

    async def _keep(self) -> None:
        await self._until_unused()
        while self._users:  # they came while we gave everything back, and found us at work
            await self._until_unused()

    async def _until_unused(self) -> None:
        failing = await self._tried(self._begin())
        for pool in self._pools:
            pool.used_at = _now()
        while self._users or any(_now() < pool.used_at + LINGER_SECONDS for pool in self._pools):
            self._changed.clear()
            failing = await self._tried(self._balance(), quietly=failing)
            await self._rest(failing=failing)
        await self._tried(self._leave())

    async def _tried(self, work: Awaitable[None], *, quietly: bool = False) -> bool:
        """Whether it failed: Prefect or the ledger may be away, and what is leased stays leased for a while."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, the next round tries again
            log.log(logging.DEBUG if quietly else logging.WARNING, "slots can't be leased just now: %r", error)
            return True
        return False

    async def _rest(self, *, failing: bool) -> None:
        """Until something changes at the gate, or the next thing is due."""
        if failing:
            await asyncio.sleep(REFUSED_SECONDS)
            return
        due = [self._tell_at, *(pool.leases.renew_at for pool in self._pools)]
        due += [pool.grow_at for pool in self._pools if pool.short]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.005, min(due) - _now())):
                await self._changed.wait()

    async def _begin(self) -> None:
        """Take over what a process left that died on this machine, and count what was sent within this minute."""
        others = await self._ledger.tell_gate(self._report())
        for one in [one for one in others if (owner := Owner.parse(one.owner)) and owner.gone()]:
            for pool in self._pools:
                limit = pool.leases.limit
                await pool.leases.adopt((key, slots) for key, name, slots in one.leases if name == limit)
            await self._ledger.close_gate(one.id)
            others.remove(one)
        sent = await self._ledger.created_since(now() - timedelta(seconds=WINDOW))
        theirs = sum(one.held.get(CREATES, 0) for one in others) + self._gate.created
        self._gate.recall((now() - at).total_seconds() for at in sent[theirs:])

    async def _balance(self) -> None:
        """One round: keep what is ours, say what we need, take it and give back what is due to others."""
        for pool in self._pools:
            pool.leases.expire()
            pool.apply()
            await pool.leases.renew()
        if _now() >= self._tell_at:
            await self._tell()
        before, mine = self._leased(), self._report()
        for pool in self._pools:
            limit = pool.leases.limit
            others = [one.claim(limit) for one in self._live()]
            known = sum(slots for one in self._live() for _, name, slots in one.leases if name == limit)
            await pool.settle(mine.claim(limit), others, known, ahead=self._users > 0)
        if self._leased() != before:
            self._tell_at = _now()

    async def _tell(self) -> None:
        at = _now()
        found = await self._ledger.tell_gate(self._report())
        self._others = {one.id: (one, self._heard(one, at)) for one in found}
        self._tell_at = at + self._every / (HUNGRY if found and self._gate.waiting else 1)

    def _heard(self, one: GateReport, at: float) -> float:
        """When it last told something new, by our clock."""
        before, heard = self._others.get(one.id, (None, at))
        return at if before is None or before.told_at != one.told_at else heard

    async def _leave(self) -> None:
        """Give back what is not in use: a create of this minute counts at Luma whoever sent it."""
        for pool in self._pools:
            pool.due = 0
            pool.apply()  # who comes now waits, and does not take what is being given back
            await pool.leases.shrink(pool.leases.slots - (pool.held() if pool.leases.limit == CREATES else 0))
        await self._ledger.close_gate(self.id)

    def _live(self) -> list[GateReport]:
        at = _now()
        return [one for one, heard in self._others.values() if at < heard + SILENT_SECONDS]

    def _leased(self) -> tuple[tuple[UUID, str, int], ...]:
        leased = ((pool.leases.limit, pool.leases.all) for pool in self._pools)
        return tuple((key, limit, lease.slots) for limit, leases in leased for key, lease in leases.items())

    def _report(self) -> GateReport:
        held = {pool.leases.limit: pool.held() for pool in self._pools}
        waiting, jobs = self._gate.waiting, self._gate.jobs_waiting
        return GateReport(self.id, str(self._owner), waiting, jobs, held, self._leased(), now())


def _now() -> float:
    return asyncio.get_running_loop().time()
