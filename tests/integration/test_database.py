"""What a database that is away looks like, and what does not count as that."""

import asyncio

import pytest
from sqlalchemy import text

from api.database import AWAY, Database

LONG = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(3)",
}


async def long_read(database: Database) -> None:
    async with database.reading() as session:
        connection = await session.connection()
        await connection.execute(text(LONG["sqlite" if database.embedded else "postgresql"]))


async def test_a_cancelled_transaction_ends_as_cancelled(database: Database) -> None:
    """Were it taken for a database that is away, whoever waits for one would never stop."""
    reading = asyncio.create_task(long_read(database))
    await asyncio.sleep(0.3)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not issubclass(asyncio.CancelledError, AWAY)
