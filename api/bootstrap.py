"""The composition root: the only place that knows the real parts and puts them together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

import httpx
from pydantic import SecretStr

from api.database import Database
from api.prefect_api import PrefectApi
from api.records import JobRecords
from tasks.doorbells import Doorbells
from tasks.luma import Account, DreamMachine, Gate, LumaClient
from tasks.luma.account import DREAM_MACHINE
from tasks.luma.polls import Polls
from tasks.luma.prices import Prices
from tasks.luma.share import Share
from tasks.media import MediaStore
from tasks.settings import Settings

CLIPS_AT_ONCE: Final = 4
"""More that are taken in at once delay one another, and with them the jobs that have yet to reach Luma."""
NO_KEY: Final = SecretStr("none")  # the sandbox takes any; Luma refuses it with a clear error


@dataclass(frozen=True, slots=True)
class Studio:
    """All that a process needs to make films or to tell of them."""

    settings: Settings
    records: JobRecords
    media: MediaStore
    luma: LumaClient
    gate: Gate
    account: Account
    polls: Polls
    doorbells: Doorbells
    prices: Prices
    share: Share | None = None
    """None: the account's limits are this process's alone."""
    intake: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CLIPS_AT_ONCE))
    """Places to take finished clips in."""

    def slots(self) -> AbstractAsyncContextManager[None]:
        """What scenes need to pass the gate, until the block ends."""
        return self.share.kept() if self.share else nullcontext()


_present: ContextVar[Studio | None] = ContextVar("storyreel_studio", default=None)


@asynccontextmanager
async def studio(
    settings: Settings | None = None,
    *,
    luma_transport: httpx.AsyncBaseTransport | None = None,
    prefect_transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Studio]:
    """The studio of this process: the one that is open already, or a new one, closed when the block ends."""
    present = _present.get()
    if present is not None:
        yield present
        return
    settings = settings or Settings()
    async with AsyncExitStack() as stack:
        prefect = None
        if settings.prefect_api_url is not None:
            prefect = PrefectApi(settings, prefect_transport)
            stack.push_async_callback(prefect.close)
        opened = await _open(stack, settings, luma_transport, prefect)
        _present.set(opened)
        stack.callback(_present.set, None)
        yield opened


async def _open(
    stack: AsyncExitStack,
    settings: Settings,
    luma_transport: httpx.AsyncBaseTransport | None,
    prefect: PrefectApi | None,
) -> Studio:
    database = Database(settings.ledger_url)
    stack.push_async_callback(database.close)
    if database.embedded:
        await database.migrate()
    records = JobRecords(database, prefect_ui=settings.prefect_ui_url)
    key = settings.luma_api_key or NO_KEY
    luma = await stack.enter_async_context(DreamMachine(key, settings.luma_base_url, transport=luma_transport))
    gate = Gate(settings.luma_concurrency, settings.luma_creates_per_minute)
    share = Share(gate, lessor=prefect, ledger=records) if prefect else None
    if share:
        stack.push_async_callback(share.close)
    return Studio(
        settings=settings,
        records=records,
        media=MediaStore(settings.media),
        luma=luma,
        gate=gate,
        account=Account(DREAM_MACHINE, luma, gate, records),
        polls=Polls(luma, share=share.fraction if share else lambda: 1.0),
        doorbells=Doorbells(records),
        prices=Prices.load(settings.prices_file),
        share=share,
    )
