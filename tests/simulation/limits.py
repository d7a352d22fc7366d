"""Prefect's global concurrency limits with their leases, as much as `tasks.luma.leases.Lessor` asks of them."""

import asyncio
from itertools import count
from typing import Final
from uuid import UUID

from api.prefect_http import PrefectAway
from tests.simulation.processes import present
from tests.simulation.weather import Weather

REPOSSESSED: Final = 10.0  # seconds between the server's looks for leases that have ended


class SlotLimits:
    """Counts what is leased; a lease that nobody renews comes back somewhat later, as the server looks."""

    def __init__(self, weather: Weather, limits: dict[str, int]) -> None:
        self._weather, self._limits = weather, limits
        self._leases: dict[UUID, tuple[str, int, float]] = {}
        self._numbers = count(1)

    async def lease(self, limit: str, slots: int, seconds: float) -> UUID | None:
        """See `Lessor.lease`."""
        await self._call()
        if self._taken(limit) + slots > self._limits[limit]:
            return None
        lease = UUID(int=next(self._numbers))
        self._leases[lease] = (limit, slots, self._now() + seconds)
        await self._answer()
        return lease

    async def renew(self, lease: UUID, seconds: float) -> bool:
        """See `Lessor.renew`."""
        await self._call()
        if lease not in self._leases or self._leases[lease][2] < self._now():
            return False
        self._leases[lease] = (*self._leases[lease][:2], self._now() + seconds)
        await self._answer()
        return True

    async def release(self, lease: UUID) -> None:
        """See `Lessor.release`."""
        await self._call()
        self._leases.pop(lease, None)

    async def look(self, limit: str) -> tuple[int | None, int]:
        """See `Lessor.look`."""
        await self._call()
        return self._limits[limit], self._taken(limit)

    async def forget(self, limit: str, slots: int) -> None:
        """See `Lessor.forget`: nothing is ever lost here."""
        raise AssertionError(f"{slots} slots of {limit} are taken for lost, and none is")

    def _taken(self, limit: str) -> int:
        ended = self._now() - REPOSSESSED
        self._leases = {key: lease for key, lease in self._leases.items() if lease[2] >= ended}
        return sum(slots for name, slots, _ in self._leases.values() if name == limit)

    async def _call(self) -> None:
        await present().pass_edge()
        await self._weather.latency()
        await present().pass_edge()
        if self._weather.prefect_away:
            raise PrefectAway("Prefect can't be reached.")

    async def _answer(self) -> None:
        """It may be lost on its way back."""
        if not self._weather.calm and self._weather.random.random() < 0.03:
            raise PrefectAway("Prefect's answer was lost.")
        await present().pass_edge()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
