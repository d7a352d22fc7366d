"""Rings of Luma's callbacks, from the ledger to whoever waits."""

import asyncio
from datetime import datetime, timedelta
from typing import cast

from tasks.clock import now
from tasks.doorbells import Doorbells
from tasks.ledger import SceneLedger
from tests.virtual_time import run


class Porch:
    """The one question that doorbells ask of the ledger."""

    def __init__(self) -> None:
        self.rings: dict[str, datetime] = {}
        self.away = False

    async def rung(self, since: datetime) -> dict[str, datetime]:
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
