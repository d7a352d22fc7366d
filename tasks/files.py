"""Files on disk, safely: drafts that appear whole or not at all, digests, faults in words, and work in threads."""

import asyncio
import contextvars
import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Self, TypeVar, cast
from uuid import uuid4

from tasks.ledger import StoredFile

T = TypeVar("T")

BLOCK: Final = 1 << 20
"""Bytes that are read, hashed and written at once."""
DRAFT: Final = ".part"
"""How the name of a draft ends."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class MediaError(Exception):
    """A file can't be kept, read or played: one sentence for a person, and whether trying again makes sense."""

    code = "media_error"
    """Stable, for the API."""

    def __init__(self, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.retry = retry


async def in_thread(
    work: Callable[[], T], executor: Executor | None = None, *, stop: Callable[[], None] = lambda: None
) -> T:
    """Run blocking `work` in a thread with the caller's context; a cancellation is passed on once the work has ended.

    A thread can't be ended from outside: not waiting for it would leave it writing to files that the caller cleans up.
    `stop` asks long work to give up when the caller is cancelled.
    """
    claim = threading.Lock()  # whoever takes it first decides whether the work is done at all

    def claimed() -> T | None:
        return work() if claim.acquire(blocking=False) else None

    context = contextvars.copy_context()
    future = asyncio.get_running_loop().run_in_executor(executor, context.run, claimed)
    try:
        return cast(T, await asyncio.shield(future))
    except asyncio.CancelledError:
        stop()
        if not claim.acquire(blocking=False):
            await _ended(future)
        raise


async def _ended(future: asyncio.Future[T]) -> None:
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    future.exception()  # looked at, so that asyncio does not warn of it


@contextmanager
def explained(done: str, key: str) -> Iterator[None]:
    """Turn an `OSError` into a `MediaError` that says what could not be `done` to the file of `key`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise MediaError(f"The disk is full: {key} could not be {done}.", retry=True) from error
        if error.errno in _FORBIDDEN:
            raise MediaError(f"The media folder does not allow it: {key} could not be {done}.", retry=True) from error
        raise MediaError(f"{key} could not be {done}: {error.strerror or 'unknown fault'}.", retry=True) from error


def blocks_of(path: Path, key: str) -> Iterator[bytes]:
    """The file's bytes, a block at a time; `key` is what an error calls it."""
    with explained("read", key), path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def digest_of(path: Path, key: str) -> tuple[int, str]:
    """The file's size in bytes and SHA-256 in hex."""
    size, digest = 0, hashlib.sha256()
    for block in blocks_of(path, key):
        size += len(block)
        digest.update(block)
    return size, digest.hexdigest()


class Draft:
    """A file on its way to its key, in the folder of the key it was begun for. All of it blocks: for use in a thread.

    `with` begins the file at once and discards it unless it was kept; without, the first `write` begins it.
    """

    def __init__(self, path_of: Callable[[str], Path], key: str) -> None:
        self._path_of, self._key = path_of, key
        target = path_of(key)
        self.path = target.with_name(f".{target.name}.{uuid4().hex}{DRAFT}")
        """Where it lies until it is kept; others may write it too, e.g. a muxer: then `measure`."""
        self._file: BinaryIO | None = None
        self._size, self._digest = 0, hashlib.sha256()

    def __enter__(self) -> Self:
        self._begun()
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def _begun(self) -> BinaryIO:
        if self._file is None:
            with explained("written", self._key):
                _make_folder(self.path.parent)
                self._file = self.path.open("xb")
        return self._file

    def write(self, block: bytes) -> None:
        """Append bytes."""
        file = self._begun()
        with explained("written", self._key):
            file.write(block)
        self._size += len(block)
        self._digest.update(block)

    def measure(self) -> tuple[int, str]:
        """Size and SHA-256 of what others wrote at `path`."""
        self._size, self._digest = 0, hashlib.sha256()
        for block in blocks_of(self.path, self._key):
            self._size += len(block)
            self._digest.update(block)
        return self._size, self._digest.hexdigest()

    def keep(self, key: str | None = None) -> StoredFile:
        """Flush to disk and rename to its key, or to another `key` that was not known when it began."""
        file, key = self._begun(), key or self._key
        target = self._path_of(key)
        with explained("written", key):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            _make_folder(target.parent)
            self.path.replace(target)
            _flush_folder(target.parent)
        return StoredFile(key, self._size, self._digest.hexdigest())

    def discard(self) -> None:
        """Remove the file, unless it was kept."""
        if self._file is None:
            return
        with suppress(OSError):  # a full disk may refuse the last flush again
            self._file.close()
        with suppress(OSError):
            self.path.unlink()


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents so that they survive a power cut: a new name is safe once its parent is flushed."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows can't open a folder, and flushes names by itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
