"""A dispatcher that is stopped stops, at whatever moment it was woken."""

import asyncio
from typing import Any

import pytest

from api.dispatch import Dispatcher


class _Nothing:
    """A ledger and a Prefect without anything to do."""

    async def outbox(self) -> list[Any]:
        return []

    async def live_jobs(self) -> list[Any]:
        return []

    async def states(self, _: list[Any]) -> dict[Any, Any]:
        return {}


@pytest.mark.parametrize("ticks", range(6))
async def test_a_stop_that_comes_with_a_waking_is_not_lost(ticks: int) -> None:
    nothing: Any = _Nothing()
    dispatcher = Dispatcher(nothing, nothing)

    async def work() -> None:
        async with dispatcher.running():
            await asyncio.sleep(0.01)
            dispatcher.wake()
            for _ in range(ticks):
                await asyncio.sleep(0)

    working = asyncio.create_task(work())
    _, still_working = await asyncio.wait([working], timeout=2)
    assert not still_working
