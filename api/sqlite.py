"""SQLite whose write lock is held for as long as the work takes, and not for as long as the event loop is busy.

aiosqlite sends every call to a thread, and SQLAlchemy makes four calls a statement: a transaction of five statements
makes twenty trips, and while the loop is busy with other jobs each of them waits its turn, with the lock held and every
other writer of every process asleep. Here only what may take long goes to the thread: commits, and queries outside of a
write transaction, unless they are told to run at once. The rest does, and the lock is waited for outside of SQLite,
which would sleep ever longer and know no order: a process with many writers would have the lock again before another
one looks.
"""

import asyncio
import fcntl
import os
import sqlite3
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any, Final

import aiosqlite

_SOONEST: Final = 0.0005
_LATEST: Final = 0.001
"""Seconds between tries to get the write lock from another process: it is held for some milliseconds."""
_AT_ONCE: Final = frozenset({"cursor", "fetchall", "fetchone", "fetchmany"})


class _Turn:
    """Whose turn it is to wait for the write lock: no other connection, of any process, overtakes it."""

    def __init__(self, database: str) -> None:
        self._path = f"{database}-turn"

    @cached_property
    def _file(self) -> int:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        weakref.finalize(self, os.close, file)
        return file

    def take(self) -> bool:
        """Whether it is ours now."""
        with suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def leave(self) -> None:
        """Let others wait in our place."""
        fcntl.flock(self._file, fcntl.LOCK_UN)


class Connection(aiosqlite.Connection):
    """A connection that SQLAlchemy's dialect takes for aiosqlite's."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], busy_seconds: float, turn: _Turn) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._turn = turn
        self._thread.daemon = True
        self._busy_seconds = busy_seconds
        self._writing = False
        self.at_once = False
        """Whether what is asked now takes no longer than a step to the thread and back."""
        self._sent = self._done = 0

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._sent != self._done:  # a call whose caller was cancelled is still in the thread
            return await self._send(fn, *args, **kwargs)
        if fn.__name__ == "execute" and args[0] == "BEGIN IMMEDIATE":
            return await self._lock(fn, *args)
        if self._is_quick(fn, *args):
            return fn(*args, **kwargs)
        return await self._send(fn, *args, **kwargs)

    def _is_quick(self, fn: Callable[..., Any], *args: Any) -> bool:
        name = fn.__name__
        if name in ("commit", "rollback"):
            return not self._writing
        if name == "close":
            return isinstance(fn.__self__, sqlite3.Cursor)  # type: ignore[attr-defined]
        return name in _AT_ONCE or (name.startswith("execute") and self._at_once(args[0]))

    def _at_once(self, statement: str) -> bool:
        return self._writing or self.at_once or statement.startswith("BEGIN")

    async def _lock(self, begin: Callable[..., Any], *args: Any) -> sqlite3.Cursor:
        """Take the write lock, asking again for as long as another process holds it; the cursor that has begun."""
        pause, until = _SOONEST, time.monotonic() + self._busy_seconds
        try:
            while (begun := self._try(begin, *args, last=time.monotonic() > until)) is None:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LATEST)
        finally:
            self._turn.leave()
        self._writing = True
        return begun

    def _try(self, begin: Callable[..., Any], *args: Any, last: bool) -> sqlite3.Cursor | None:
        if not self._turn.take() and not last:
            return None
        self._conn.execute("PRAGMA busy_timeout = 0")
        try:
            begun: sqlite3.Cursor = begin(*args)
        except sqlite3.OperationalError as error:
            if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return None
        finally:
            self._conn.execute(f"PRAGMA busy_timeout = {int(1000 * self._busy_seconds)}")
        return begun

    async def _send(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._sent += 1

        def call() -> Any:
            try:
                return fn(*args, **kwargs)
            finally:
                if fn.__name__ in ("commit", "rollback"):
                    self._writing = self._conn.in_transaction
                self._done += 1

        return await super()._execute(call)  # type: ignore[no-untyped-call]


def connect(database: str, **options: Any) -> Connection:
    """Open a connection with `sqlite3.connect`'s options; `timeout`: seconds to wait for locks."""
    options["check_same_thread"] = False  # the loop and the connection's thread use it in turns

    def connector() -> sqlite3.Connection:
        opened: sqlite3.Connection = sqlite3.connect(database, **options)
        return opened

    return Connection(connector, float(options.get("timeout", 5)), _Turn(database))


def on_connect(_dialect: object, _record: object, _args: object, options: dict[str, Any]) -> None:
    """A listener of an engine's `do_connect`: have it open connections of this kind."""
    options["async_creator_fn"] = connect
