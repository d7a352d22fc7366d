"""Slots of an account that are leased from a limit which all processes share."""

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from tasks.luma.shares import spare

SECONDS: Final = 60.0
"""A lease's life: the slots of a process that died come back so late, and the shortest that Prefect allows."""
RENEWED: Final = 20.0  # seconds after which a lease is renewed


class Lessor(Protocol):
    """Who leases slots of a named limit to all processes: Prefect's global concurrency limits."""

    async def lease(self, limit: str, slots: int, seconds: float) -> UUID | None:
        """Lease so many, or None: there are not as many free."""

    async def renew(self, lease: UUID, seconds: float) -> bool:
        """Lengthen its life from now; False: it has ended."""

    async def release(self, lease: UUID) -> None:
        """Give its slots back; none is no error."""

    async def look(self, limit: str) -> tuple[int | None, int]:
        """How many slots the limit has (None: there is no such limit), and how many of them are taken."""

    async def forget(self, limit: str, slots: int) -> None:
        """Count so many as free whose leases were lost: a server that keeps them in memory was begun anew."""


@dataclass(slots=True)
class Lease:
    """So many slots, ours until a moment of the loop's clock in seconds."""

    slots: int
    until: float


@dataclass(slots=True)
class Leases:
    """The leases of one limit that this process has. Any call may raise what the lessor raises."""

    lessor: Lessor
    limit: str
    block: int = 1
    """Slots of a lease: many leases cost requests, large ones can't be divided between processes."""
    all: dict[UUID, Lease] = field(default_factory=dict)
    refused: bool = False
    """The last time, not all that was asked for was to be had."""
    changed: Callable[[], None] = lambda: None
    """Called after each new lease, and before any is given back."""

    @property
    def slots(self) -> int:
        """Of all leases together."""
        return sum(lease.slots for lease in self.all.values())

    @property
    def renew_at(self) -> float:
        """When the next one should be renewed; infinity: there is none."""
        return min((lease.until for lease in self.all.values()), default=math.inf) - SECONDS + RENEWED

    async def grow(self, slots: int) -> None:
        """Lease so many more, to the next whole block, or as many of them as there are."""
        size = 1 if self.refused else self.block
        while slots > 0 and size:
            if await self._lease(size):
                slots -= size
            else:
                size = min(1, size - 1)
        self.refused = slots > 0

    async def shrink(self, slots: int) -> None:
        """Give so many back, as nearly as the leases allow; those that can't be given back just now lapse."""
        given = spare({key: lease.slots for key, lease in self.all.items()}, slots)
        for lease in given:
            del self.all[lease]
        if given:
            self.changed()  # before they are another process's: a scene that comes meanwhile must not take one
        for lease in given:
            await self.lessor.release(lease)

    async def renew(self) -> None:
        """Renew those that are due; those that ended are gone."""
        now = _now()
        due = [key for key, lease in self.all.items() if now >= lease.until - SECONDS + RENEWED]
        await asyncio.gather(*map(self._renew, due))

    def expire(self) -> None:
        """Forget those whose time is over: others may have their slots already."""
        now = _now()
        for key in [key for key, lease in self.all.items() if now >= lease.until]:
            del self.all[key]

    async def adopt(self, leases: Iterable[tuple[UUID, int]]) -> None:
        """Take over the leases (id, slots) of a process that died, if they live."""
        for key, slots in leases:
            self.all[key] = Lease(slots, _now())
            await self._renew(key)

    async def _lease(self, slots: int) -> bool:
        until = _now() + SECONDS
        key = await self.lessor.lease(self.limit, slots, SECONDS)
        if key is not None:
            self.all[key] = Lease(slots, until)
            self.changed()
        return key is not None

    async def _renew(self, key: UUID) -> None:
        until = _now() + SECONDS
        if not await self.lessor.renew(key, SECONDS):
            self.all.pop(key, None)
        elif key in self.all:
            self.all[key].until = until


def _now() -> float:
    return asyncio.get_running_loop().time()
