"""One limit of an account as one process has it: leased slots on one side, a gate on the other."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from tasks.clock import now
from tasks.luma.leases import SECONDS, Leases, Lessor
from tasks.luma.shares import Claim, part, spare

log = logging.getLogger("storyreel.share")

REFUSED_SECONDS: Final = 0.5  # between tries while the limit has no more
LINGER_SECONDS: Final = 5.0  # for which unused slots are kept when nobody waits for them
TURN_SECONDS: Final = 30.0  # for which an odd slot belongs to one process, before the next one's turn
LOOK_SECONDS: Final = 10.0  # between looks at the limit itself
LOST_SECONDS: Final = SECONDS + 30.0  # for which slots are taken that nobody has, until they count as lost
BLOCKS: Final = 10  # leases that make up a limit: to a tenth of it, any division between processes is possible


@dataclass(slots=True)
class Pool:
    """One limit: what is leased of it and what the gate has in use."""

    leases: Leases
    limit: int
    held: Callable[[], int]
    allow: Callable[[int], None]
    """Tell the gate how many it may have in use."""
    due: int = 0
    grow_at: float = 0.0
    short: bool = False
    """More is due than could be leased."""
    used_at: float = 0.0
    most: int | None = None
    """What the limit is for everybody, where it was seen: an operator may have lowered it, to 0 for a pause."""
    lost: int = 0
    """Slots that are taken and that nobody says to have, at the last look; some, ever since `lost_since`."""
    lost_since: float = 0.0
    look_at: float = 0.0

    @classmethod
    def of(cls, lessor: Lessor, name: str, limit: int, held: Callable[[], int], allow: Callable[[int], None]) -> Self:
        """Nothing leased yet."""
        return cls(Leases(lessor, name, block=-(-limit // BLOCKS)), limit, held, allow)

    def __post_init__(self) -> None:
        self.leases.changed = self.apply

    def apply(self) -> None:
        """Tell the gate what it has: not what is to be given back."""
        slots = self.leases.slots
        sizes = {key: lease.slots for key, lease in self.leases.all.items()}
        self.allow(slots - sum(sizes[key] for key in spare(sizes, slots - self.due)))

    async def settle(self, mine: Claim, others: list[Claim], known: int, *, ahead: bool) -> None:
        """Lease what is needed and due, give back what is neither.

        `known`: slots that the others say to have leased; `ahead`: a first scene will come soon.
        """
        at, turn = _now(), int(now().timestamp() // TURN_SECONDS)
        self.due = part(self.limit if self.most is None else min(self.limit, self.most), mine, others, turn)
        wanted = min(max(mine.needs, ahead), self.due)
        self.apply()
        if self.leases.slots < wanted and at >= self.grow_at:
            await self.leases.grow(wanted - self.leases.slots)
            self.grow_at = _now() + REFUSED_SECONDS if self.leases.refused else at
        self.short = self.leases.slots < wanted
        if mine.needs:
            self.used_at = at
        contended = self.leases.slots > self.due or any(other.waiting for other in others)
        if contended or at >= self.used_at + LINGER_SECONDS:
            await self.leases.shrink(self.leases.slots - max(self.held(), wanted))  # some may be newer than the claim
        if at >= self.look_at:
            self.look_at = at + LOOK_SECONDS
            await self._look(known)

    async def _look(self, known: int) -> None:
        """See what an operator made of the limit, and to slots that are taken though no lease can account for them."""
        at, lessor, limit = _now(), self.leases.lessor, self.leases.limit
        self.most, taken = await lessor.look(limit)
        before, self.lost = self.lost, max(0, taken - known - self.leases.slots) if self.short else 0
        self.lost_since = self.lost_since if before else at
        free = min(before, self.lost)  # seen twice: a lease that nobody has told of yet is none
        if free and at >= self.lost_since + LOST_SECONDS:
            log.warning("%d slots of the limit %r were taken and nobody had them: they are free again", free, limit)
            await lessor.forget(limit, free)
            self.lost, self.grow_at = 0, at


def _now() -> float:
    return asyncio.get_running_loop().time()
