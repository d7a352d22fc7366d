"""One way into the database: read and write transactions, on SQLite and PostgreSQL alike."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

import anyio.to_thread
import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, ExceptionContext, Executable, Row, event, make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from api.sqlite import on_connect

BUSY_SECONDS: Final = 10.0
"""For SQLite's write lock or PostgreSQL's answer: a person should hear then that the ledger is away."""
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a committed intent or generation id must survive a power cut: it is money
    f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
)
AWAY: Final[tuple[type[Exception], ...]] = (
    OperationalError,  # SQLite: locked, disk full; PostgreSQL: see `_OPERATIONAL`
    InterfaceError,  # a connection broke
    PoolTimeout,
    OSError,  # nobody listens, or nobody answers in time
    asyncpg.PostgresError,  # bare while connecting only: the server is starting up, shutting down or full
)
"""What transactions raise while the database can't be used."""
_OPERATIONAL: Final = frozenset({"08", "40", "53", "57", "58"})
"""PostgreSQL's classes of states for: connection lost, rolled back, disk or memory full, shutting down, I/O failed."""
Connect = Callable[..., Awaitable[Any]]
_MIGRATING: Final = Lock()  # Alembic keeps its context in a module


class Database:
    """An engine with its transactions; `writing` takes SQLite's write lock at once, so it never deadlocks upgrading."""

    def __init__(self, url: str, connect: Connect | None = None) -> None:
        """`connect`: opens connections in the driver's place."""
        self.url = url
        self.embedded = make_url(url).get_backend_name() == "sqlite"
        if self.embedded:
            Path(make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)
        self.engine = _engine(url, connect, embedded=self.embedded)
        self._writing = _one_writer(url, connect) if self.embedded else self.engine
        self._writer = self._writing.execution_options(begin_immediate=True)
        snapshot = {} if self.embedded else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = self.engine.execution_options(**snapshot)  # SQLite reads one snapshot in any case
        alone = {"begins": False} if self.embedded else {"isolation_level": "AUTOCOMMIT"}
        self._looker = self.engine.execution_options(**alone)
        self._finder = self._looker.execution_options(at_once=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session over one consistent snapshot."""
        async with AsyncSession(self._reader, expire_on_commit=False, autoflush=False) as session, session.begin():
            yield session

    async def rows(self, statement: Executable, **values: object) -> Sequence[Row[Any]]:
        """The rows of a statement over columns, which is a snapshot by itself: at half the cost of a session."""
        return await _rows(self._looker, statement, values)

    async def found(self, statement: Executable, **values: object) -> Sequence[Row[Any]]:
        """As `rows`, of few rows found by key or index: SQLite has them before a thread would have begun to look."""
        return await _rows(self._finder, statement, values)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session that commits when the block ends and rolls back when it raises."""
        async with AsyncSession(self._writer, expire_on_commit=False, autoflush=False) as session, session.begin():
            yield session

    async def migrate(self) -> None:
        """Bring the schema to the newest revision; several processes may call it at the same moment."""
        if not await self.current():
            await anyio.to_thread.run_sync(_upgrade, self.url)

    async def current(self) -> bool:
        """Whether the schema is the newest."""
        async with self.engine.connect() as connection:
            return await connection.run_sync(_revision) == _newest()

    async def close(self) -> None:
        """Close all connections."""
        await self._writing.dispose()
        await self.engine.dispose()


async def _rows(engine: AsyncEngine, statement: Executable, values: dict[str, object]) -> Sequence[Row[Any]]:
    async with engine.connect() as connection:
        return (await connection.execute(statement, values)).all()


def _engine(url: str, connect: Connect | None, *, embedded: bool) -> AsyncEngine:
    own = {"async_creator": connect} if connect else {}
    if not embedded:
        waits = {"timeout": BUSY_SECONDS, "command_timeout": BUSY_SECONDS}
        engine = create_async_engine(
            url,
            hide_parameters=True,
            pool_size=10,
            max_overflow=20,
            pool_pre_ping=True,
            pool_timeout=BUSY_SECONDS,
            connect_args=waits,
            **own,
        )
        event.listen(engine.sync_engine, "handle_error", _tell_away)
        return engine
    return _sqlite(url, connect, pool_size=8, max_overflow=16)


def _one_writer(url: str, connect: Connect | None) -> AsyncEngine:
    """SQLite has one writer at a time: those of a process stand in line here, and not each for itself at its lock."""
    return _sqlite(url, connect, pool_size=1, max_overflow=0)


def _sqlite(url: str, connect: Connect | None, **pool: int) -> AsyncEngine:
    own = {"async_creator": connect} if connect else {}
    waits = {"timeout": BUSY_SECONDS}
    engine = create_async_engine(
        url, hide_parameters=True, pool_timeout=BUSY_SECONDS, connect_args=waits, **pool, **own
    )
    event.listen(engine.sync_engine, "do_connect", on_connect)
    event.listen(engine.sync_engine, "connect", prepare_sqlite)
    event.listen(engine.sync_engine, "begin", begin_sqlite)
    return engine


def _tell_away(context: ExceptionContext) -> None:
    """SQLAlchemy knows no class for most of asyncpg's errors: raise those of a server that is away as what they are."""
    error = context.original_exception
    state = getattr(error, "sqlstate", None) or ""
    if not isinstance(error, Exception):
        return  # a cancelled task: its connection is given up too, but it must end as cancelled
    if context.is_disconnect or state[:2] in _OPERATIONAL:
        raise OperationalError(context.statement, context.parameters, error)


def prepare_sqlite(connection: Any, _record: object) -> None:
    """Set a new SQLite connection up; transactions are begun by us, not by the driver."""
    try:
        connection.isolation_level = None
        cursor: sqlite3.Cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()
    except BaseException:  # the pool forgets a connection that it could not begin with, and its thread would stay
        connection.close()
        raise


def begin_sqlite(connection: Connection) -> None:
    """Writers take the lock first; a statement by itself needs no transaction."""
    told = connection.get_execution_options()
    connection.connection.driver_connection.at_once = told.get("at_once", False)  # type: ignore[union-attr]
    if told.get("begins", True):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if told.get("begin_immediate", False) else "BEGIN")


def _upgrade(url: str) -> None:
    with _MIGRATING:
        command.upgrade(_alembic(url), "head")


@cache
def _newest() -> str | None:
    return ScriptDirectory.from_config(_alembic("")).get_current_head()


def _alembic(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
