"""Work that is done again and again, and waiting that can be cut short."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
from prefect.settings import PREFECT_API_URL

from tasks.logs import said

WORK_SECONDS: Final = 30.0
"""For one try; Prefect's client alone would go on for minutes."""
RETRY_SECONDS: Final = 2.0

logger = logging.getLogger(__name__)


async def repeat(work: Callable[[], Awaitable[object]], seconds: float, soon: asyncio.Event | None = None) -> None:
    """Do `work` for ever, every so many seconds and whenever `soon` is set, never twice at a time.

    What fails is told once and tried again soon: Prefect may be away for a while.
    """
    soon = soon or asyncio.Event()
    failing = False
    while True:
        soon.clear()
        try:
            async with asyncio.timeout(WORK_SECONDS):
                await work()
            failing = False
        except Exception as exc:  # noqa: BLE001 -- a worker outlives whatever Prefect does
            logger.log(
                logging.DEBUG if failing else logging.WARNING,
                "%s failed: %s",
                getattr(work, "__qualname__", work),
                said(exc),
            )
            failing = True
        await pause(min(seconds, RETRY_SECONDS) if failing else seconds, soon)


async def pause(seconds: float, until: asyncio.Event) -> None:
    """Wait, but no longer than `until` is set."""
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        return


async def prefect_answers(stop: asyncio.Event, printer: Callable[..., None]) -> bool:
    """Wait until Prefect's server answers, and say so when it does not at once; False when asked to stop before."""
    api = PREFECT_API_URL.value()
    told = False
    async with httpx.AsyncClient(timeout=5) as client:
        while api and not stop.is_set():
            try:
                await client.get(f"{api}/health")
                break
            except httpx.TransportError:
                if not told:
                    printer(f"Waiting for Prefect at {api}")
                told = True
                await pause(0.5, stop)
    return not stop.is_set()
