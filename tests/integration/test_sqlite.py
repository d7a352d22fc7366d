"""The ledger's SQLite under many writers: a busy event loop does not hold the lock, and waiting ends."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from api.database import Database
from api.sqlite import Connection, connect

BUSY = 0.02
"""Seconds for which every turn of the loop is taken by something else."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{path}")
    async with database.writing() as session:
        await session.connection()
        await session.exec(text("CREATE TABLE notes (n INTEGER)"))  # type: ignore[call-overload]
    yield database
    await database.close()


async def write(database: Database) -> None:
    async with database.writing() as session:
        for number in range(10):
            await session.exec(text("INSERT INTO notes VALUES (:n)").bindparams(n=number))  # type: ignore[call-overload]


async def count(database: Database) -> int:
    async with database.reading() as session:
        found: int = (await session.exec(text("SELECT count(*) FROM notes"))).scalar_one()  # type: ignore[call-overload]
    return found


async def test_a_write_transaction_needs_few_turns_of_a_busy_loop(database: Database) -> None:
    turns = 0

    async def be_busy() -> None:
        nonlocal turns
        while True:
            time.sleep(BUSY)  # noqa: ASYNC251 -- this is what the test is about
            turns += 1
            await asyncio.sleep(0)

    busy = asyncio.create_task(be_busy())
    await write(database)
    busy.cancel()
    assert turns < 12  # ten statements of four calls each would be forty


async def test_few_rows_are_found_at_once_and_many_are_left_to_the_thread(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, sent, send = text("SELECT n FROM notes WHERE n = :n"), list[str](), Connection._send

    async def note(connection: Connection, fn: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(fn.__name__)
        return await send(connection, fn, *args, **kwargs)

    monkeypatch.setattr(Connection, "_send", note)
    await write(database)
    await count(database)  # a connection is open
    sent.clear()
    assert [row.n for row in await database.found(one, n=3)] == [3]
    assert sent == []
    assert [row.n for row in await database.rows(one, n=3)] == [3]
    assert sent == ["execute"]
    with closing(sqlite3.connect(path)) as other:  # nothing is held between two looks
        other.execute("INSERT INTO notes VALUES (77)")
        other.commit()
    assert [row.n for row in await database.found(one, n=77)] == [77]
    assert await count(database) == 11
    assert sent == ["execute", "execute"]  # what came next by the same connection


async def test_many_writers_of_one_process_all_get_their_turn(database: Database) -> None:
    await asyncio.gather(*(write(database) for _ in range(100)))
    assert await count(database) == 1000


async def test_a_writer_waits_for_another_process_and_goes_on_when_it_is_done(database: Database, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(write(database))
        await asyncio.sleep(0.2)
        assert not writing.done()
        other.execute("COMMIT")
        await asyncio.wait_for(writing, 1)
    assert await count(database) == 10


async def test_who_waits_is_not_overtaken_by_the_many_writers_of_another_process(database: Database) -> None:
    ended = 0

    async def hold(crowd: Database) -> None:
        nonlocal ended
        async with crowd.writing() as session:
            await session.connection()
            await asyncio.sleep(0.02)
        ended += 1

    crowd = Database(database.url)  # with a queue of its own, as another process has
    holding = [asyncio.create_task(hold(crowd)) for _ in range(40)]
    await holding[0]
    before = ended
    await write(database)
    assert ended - before <= 2
    await asyncio.gather(*holding)
    await crowd.close()


async def test_a_writer_that_is_cancelled_while_it_waits_keeps_nobody_from_writing(
    database: Database, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(write(database))
        await asyncio.sleep(0.05)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        other.execute("COMMIT")
    second = Database(database.url)
    await asyncio.wait_for(write(second), 1)
    await second.close()


async def test_a_writer_that_waits_too_long_is_told_that_the_ledger_is_locked(path: Path) -> None:
    connection = await connect(str(path), timeout=0.1, isolation_level=None)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await connection.execute("BEGIN IMMEDIATE")
    await connection.close()


async def test_a_writer_that_is_cancelled_in_its_commit_leaves_the_lock_to_the_next(database: Database) -> None:
    for turns in range(12):
        writing = asyncio.create_task(write(database))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await write(database)
    assert await count(database) % 10 == 0


async def test_what_follows_a_cancelled_call_waits_for_its_end(path: Path) -> None:
    connection: Connection = await connect(str(path), timeout=5, isolation_level=None)
    await connection.create_function("nap", 0, lambda: time.sleep(0.2))
    slow = asyncio.create_task(connection.execute("SELECT nap()").__aenter__())
    await asyncio.sleep(0.05)
    slow.cancel()
    begun = time.monotonic()
    await connection.execute("BEGIN")
    assert time.monotonic() - begun > 0.1
    await connection.rollback()
    await connection.close()


async def test_an_unusable_file_is_an_error_of_the_database(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database at all" * 100)
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    with pytest.raises(DatabaseError, match="not a database"):
        await write(database)
    await database.close()
