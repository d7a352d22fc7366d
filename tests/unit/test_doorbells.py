"""Rings of Luma's callbacks, from the ledger to whoever waits."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

from tasks.clock import CLOCK, now
from tasks.doorbells import LOOK_EVERY, SKEW, WIDE_EVERY, Doorbells
from tasks.ledger import SceneLedger
from tests.virtual_time import run

BEGUN = datetime(2026, 11, 27, tzinfo=UTC)


class Porch:
    """The one question that doorbells ask of the ledger."""

    def __init__(self) -> None:
        self.rings: dict[str, datetime] = {}
        self.away = False
        self.asked: list[datetime] = []

    async def rung(self, since: datetime) -> dict[str, datetime]:
        self.asked.append(since)
        if self.away:
            raise OSError
        return {token: at for token, at in self.rings.items() if at > since}


def bells(porch: Porch) -> Doorbells:
    return Doorbells(cast(SceneLedger, porch))


def test_a_ring_wakes_who_waits_for_it_and_each_ring_once() -> None:
    async def story() -> None:
        porch = Porch()
        doorbells = bells(porch)
        async with doorbells.bell("mine") as mine, doorbells.bell("other") as other:
            porch.rings["mine"] = now()
            await mine.wait()
            assert not other.is_set()
            mine.clear()
            porch.away = True
            await asyncio.sleep(1)
            porch.away = False
            await asyncio.sleep(1)
            assert not mine.is_set()
            porch.rings["mine"] += timedelta(seconds=1)
            await mine.wait()

    run(story())


def test_a_second_wait_for_the_same_attempt_outlives_the_first() -> None:
    async def story() -> None:
        porch = Porch()
        doorbells = bells(porch)
        first, second = doorbells.bell("token"), doorbells.bell("token")
        await first.__aenter__()
        bell = await second.__aenter__()
        await first.__aexit__(None, None, None)
        porch.rings["token"] = now()
        await bell.wait()
        await second.__aexit__(None, None, None)

    run(story())


def test_a_ring_by_a_clock_that_is_behind_is_heard_a_second_later() -> None:
    async def story() -> None:
        porch = Porch()
        async with bells(porch).bell("mine") as mine, asyncio.timeout(WIDE_EVERY + 0.1):
            await asyncio.sleep(0.1)
            porch.rings["other"] = now()
            porch.rings["mine"] = now() - SKEW / 2
            await mine.wait()

    run(story())


def test_old_rings_are_read_once_a_second_however_long_somebody_waits() -> None:
    async def story() -> None:
        loop, porch = asyncio.get_running_loop(), Porch()
        CLOCK.set(lambda: BEGUN + timedelta(seconds=loop.time()))
        doorbells, read = bells(porch), list[float]()
        async with doorbells.bell("one that rings much later"):
            for number in range(200):
                async with doorbells.bell(f"{number}") as bell:
                    await asyncio.sleep(0.9)
                    porch.rings[f"{number}"] = now()
                    await bell.wait()
                read += [(now() - since).total_seconds() for since in porch.asked]
                porch.asked.clear()
        assert max(read) < SKEW.total_seconds() + 5
        assert len([one for one in read if one > 5]) < 1.1 * len(read) * LOOK_EVERY / WIDE_EVERY

    run(story())
