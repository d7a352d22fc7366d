"""The one way into both databases."""

import asyncio

import pytest
from sqlalchemy import text

from api.database import Database
from api.records.patience import patient

LONG = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(5)",
}


@patient
async def ask(database: Database) -> None:
    """A question that takes its time, asked again where the database is away."""
    async with database.reading() as session:
        await (await session.connection()).execute(text(LONG[database.engine.dialect.name]))


async def test_a_cancellation_in_mid_question_stays_a_cancellation(database: Database) -> None:
    asking = asyncio.create_task(ask(database))
    await asyncio.sleep(0.3)
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asking, 4)
    async with database.reading() as session:  # and the database can be used as before
        assert (await (await session.connection()).execute(text("SELECT 1"))).scalar_one() == 1
