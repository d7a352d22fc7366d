"""The composition root: the only place that knows the real parts and puts them together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import httpx
from pydantic import SecretStr

from api.database import Database
from api.records import JobRecords
from tasks.doorbells import Doorbells
from tasks.luma import Account, DreamMachine, Gate, LumaClient
from tasks.luma.account import DREAM_MACHINE
from tasks.luma.polls import Polls
from tasks.luma.prices import Prices
from tasks.media import MediaStore
from tasks.settings import Settings

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


_present: ContextVar[Studio | None] = ContextVar("storyreel_studio", default=None)


@asynccontextmanager
async def studio(
    settings: Settings | None = None, *, luma_transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Studio]:
    """The studio of this process: the one that is open already, or a new one, closed when the block ends."""
    present = _present.get()
    if present is not None:
        yield present
        return
    settings = settings or Settings()
    async with AsyncExitStack() as stack:
        opened = await _open(stack, settings, luma_transport)
        _present.set(opened)
        stack.callback(_present.set, None)
        yield opened


async def _open(stack: AsyncExitStack, settings: Settings, luma_transport: httpx.AsyncBaseTransport | None) -> Studio:
    database = Database(settings.ledger_url)
    stack.push_async_callback(database.close)
    if database.embedded:
        await database.migrate()
    records = JobRecords(database, prefect_ui=settings.prefect_ui_url)
    key = settings.luma_api_key or NO_KEY
    luma = await stack.enter_async_context(DreamMachine(key, settings.luma_base_url, transport=luma_transport))
    prices = Prices.load(settings.prices_file)
    gate = Gate(settings.luma_concurrency, settings.luma_creates_per_minute)
    account = Account(DREAM_MACHINE, luma, gate, records)
    return Studio(
        settings, records, MediaStore(settings.media), luma, gate, account, Polls(luma), Doorbells(records), prices
    )
