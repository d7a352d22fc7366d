"""The schema: up from nothing, by several processes at once, equal to the models; and what connections really do."""

import asyncio
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

from api.database import Database

ROOT = Path(__file__).parents[2]
MIGRATE = """
import asyncio, sys
from api.database import Database

async def main():
    database = Database(sys.argv[1])
    await database.migrate()
    assert await database.current()
    await database.close()

asyncio.run(main())
"""


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, SQLModel.metadata))


async def test_the_migrated_schema_is_that_of_the_models(empty_url: str) -> None:
    database = Database(empty_url)
    assert not await database.current()
    await database.migrate()
    assert await database.current()
    async with database.engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await database.migrate()  # again: nothing to do
    await database.close()


async def test_processes_may_migrate_at_the_same_moment(empty_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, empty_url, cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0, 0], [stderr.decode() for _, stderr in said]


async def test_every_sqlite_connection_keeps_commits_through_a_power_cut(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'new' / 'ledger.db'}")  # the folder is made too
    await database.migrate()
    for opened in (database.reading(), database.reading(), database.writing()):
        async with opened as session:
            connection = await session.connection()
            pragmas = [
                (await connection.execute(text(f"PRAGMA {name}"))).scalar()
                for name in ("synchronous", "journal_mode", "foreign_keys")
            ]
            assert pragmas == [2, "wal", 1]  # 2: FULL
    await database.close()


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    async def half() -> None:
        async with database.writing() as session:
            await session.exec(text("CREATE TABLE half (id INTEGER)"))  # type: ignore[call-overload]
            raise RuntimeError("later")

    with pytest.raises(RuntimeError, match="later"):
        await half()
    async with database.engine.connect() as connection:
        assert "half" not in await connection.run_sync(lambda bare: inspect(bare).get_table_names())


async def test_a_reader_sees_one_moment(database: Database) -> None:
    """Rows of several tables belong together, also when a writer commits between two reads."""
    async with database.writing() as session:
        await session.exec(text("CREATE TABLE pair (name TEXT, value INTEGER)"))  # type: ignore[call-overload]
        await session.exec(text("INSERT INTO pair VALUES ('a', 1), ('b', 1)"))  # type: ignore[call-overload]
    value = "SELECT value FROM pair WHERE name = '{}'"
    async with database.reading() as reader:
        before = (await reader.exec(text(value.format("a")))).scalar()  # type: ignore[call-overload]
        async with database.writing() as writer:
            await writer.exec(text("UPDATE pair SET value = 2"))  # type: ignore[call-overload]
        after = (await reader.exec(text(value.format("b")))).scalar()  # type: ignore[call-overload]
    assert (before, after) == (1, 1)
