"""The ledger's database and the media disk, with what may go wrong with them; both outlive the processes."""

import asyncio
import errno
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import create_engine
from sqlmodel import SQLModel

import api.models  # noqa: F401 -- the tables
from api.database import Database
from tasks.files import Draft, explained
from tasks.media import MediaStore
from tests.simulation.processes import Died, present
from tests.simulation.weather import Commit, Weather

URL: Final = "sqlite+aiosqlite:///simulated.db"  # the name is never opened


@cache
def _schema() -> bytes:
    """An empty ledger."""
    raw = sqlite3.connect(":memory:")
    engine = create_engine("sqlite://", creator=lambda: raw)
    SQLModel.metadata.create_all(engine)
    return raw.serialize()


class Storage:
    """One SQLite in memory behind all connections of all processes: transactions are begun and ended in one go.

    So a transaction is atomic, as `BEGIN IMMEDIATE` or a row lock makes it; what happens between two of them, before
    one, or to its end is the weather's choice.
    """

    def __init__(self, weather: Weather, committed: Callable[[], None]) -> None:
        self.raw = sqlite3.connect(":memory:", isolation_level=None)
        self.raw.deserialize(_schema())
        self._weather, self._committed = weather, committed

    def database(self) -> Database:
        """The ledger as one process opens it."""
        return Database(URL, self._connect)

    async def _connect(self) -> "_Connection":
        return _Connection(self)

    async def begin(self, statement: str) -> None:
        """Wait for the lock."""
        await present().pass_edge()
        await asyncio.sleep(self._weather.database_delay())
        await present().pass_edge()
        self._weather.database_here()
        assert not self.raw.in_transaction, "a transaction waited for something in its midst"
        self.raw.execute(statement)

    def commit(self, *, wrote: bool) -> None:
        """End it, for good or ill."""
        fate = self._weather.commit(present()) if wrote else Commit.WELL
        if fate is Commit.CRASH_BEFORE:
            self.raw.rollback()
            present().kill()
            raise Died
        if fate is Commit.REFUSED:
            self.raw.rollback()
            raise sqlite3.OperationalError("database or disk is full")
        self.raw.commit()
        if wrote:
            self._committed()
        if fate is Commit.CRASH_AFTER:
            present().kill()
            raise Died
        if fate is Commit.ANSWER_LOST:
            raise sqlite3.OperationalError("the connection broke while the commit was on its way")


class _Queue:
    """Where the dialect leaves what the driver's thread is to do."""

    def put_nowait(self, work: tuple[asyncio.Future[None], Callable[[], None]]) -> None:
        work[1]()
        work[0].set_result(None)


class _Connection:
    """As much of aiosqlite's connection as SQLAlchemy's dialect uses."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._writes = storage, False
        self._conn, self._tx, self.isolation_level = self, _Queue(), None

    async def cursor(self) -> "_Cursor":
        return _Cursor(self, self._storage.raw.cursor())

    async def begin(self, statement: str) -> None:
        await self._storage.begin(statement)
        self._writes = "IMMEDIATE" in statement

    async def commit(self) -> None:
        if self._storage.raw.in_transaction:
            self._storage.commit(wrote=self._writes)

    async def rollback(self) -> None:
        self._storage.raw.rollback()

    async def close(self) -> None:
        pass

    def stop(self) -> None:
        pass

    async def create_function(self, *args: Any, **options: Any) -> None:
        self._storage.raw.create_function(*args, **options)


class _Cursor:
    def __init__(self, connection: _Connection, raw: sqlite3.Cursor) -> None:
        self._connection, self._raw = connection, raw

    @property
    def description(self) -> Any:
        return self._raw.description

    @property
    def lastrowid(self) -> Any:
        return self._raw.lastrowid

    @property
    def rowcount(self) -> int:
        return self._raw.rowcount

    async def execute(self, statement: str, parameters: Any = ()) -> None:
        present().check()
        if statement.startswith("BEGIN"):
            await self._connection.begin(statement)
        else:
            self._raw.execute(statement, parameters)

    async def executemany(self, statement: str, rows: Iterable[Any]) -> None:
        present().check()
        self._raw.executemany(statement, rows)

    async def fetchall(self) -> list[Any]:
        return self._raw.fetchall()

    async def close(self) -> None:
        self._raw.close()


class Disk(MediaStore):
    """A media folder that may be full."""

    def __init__(self, root: Path, weather: Weather) -> None:
        super().__init__(root)
        self._weather = weather

    def draft(self, key: str) -> Draft:
        """See `MediaStore.draft`."""
        return _Draft(self.path, key, self._weather)


class _Draft(Draft):
    def __init__(self, path_of: Callable[[str], Path], key: str, weather: Weather) -> None:
        super().__init__(path_of, key)
        self._weather, self._name = weather, key

    def write(self, block: bytes) -> None:
        if self._weather.disk_full:
            with explained("written", self._name):
                raise OSError(errno.ENOSPC, "No space left on device")
        super().write(block)


Opener = Callable[[], Awaitable[_Connection]]
