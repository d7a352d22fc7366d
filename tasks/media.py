"""The media store: the only maker of paths and keys.

A key is a relative path of lower-case segments (`jobs/{job}/scenes/003/{attempt}.mp4`). Keys carry an attempt's id or a
digest of content, so what once stood under a key never changes and may be cached for ever. A file appears under its key
whole or not at all: it is written beside it, flushed to disk, then renamed.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from tasks.files import BLOCK, DRAFT, Draft, MediaError, blocks_of, digest_of, in_thread
from tasks.ledger import StoredFile

__all__ = ["MediaError", "MediaStore", "clip_key", "film_key", "job_prefix", "media_url", "still_key"]

_KEY: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*")
_MAX_KEY: Final = 200  # characters
_DAY: Final = 86_400.0  # seconds


def job_prefix(job_id: UUID) -> str:
    """The folder of everything that a job keeps."""
    return f"jobs/{job_id}"


def clip_key(job_id: UUID, scene_number: int, attempt_id: UUID) -> str:
    """The clip that one attempt brought."""
    return f"{job_prefix(job_id)}/scenes/{scene_number:03d}/{attempt_id}.mp4"


def still_key(job_id: UUID, scene_number: int, attempt_id: UUID) -> str:
    """The still of that clip."""
    return f"{job_prefix(job_id)}/scenes/{scene_number:03d}/{attempt_id}.jpg"


def film_key(job_id: UUID, digest: str, name: str = "film.mp4") -> str:
    """The film, or what lies beside it by `name`; `digest` (hex) is of the film and all of that."""
    return f"{job_prefix(job_id)}/films/{digest[:16]}/{name}"


def media_url(key: str) -> str:
    """The address of `key` on our own API."""
    return f"/api/media/{key}"


class MediaStore:
    """Files under one folder, by key."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def path(self, key: str) -> Path:
        """Where the file of `key` lies. Raises `MediaError` for anything that is not a plain key."""
        if len(key) > _MAX_KEY or not _KEY.fullmatch(key):
            raise MediaError("That is not the name of a media file.")
        return self.root / key

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> StoredFile:
        """Keep what `chunks` brings under `key`; when it breaks off or can't be written, nothing is left behind."""
        draft, waiting = self.draft(key), bytearray()
        try:
            async for chunk in chunks:
                waiting += chunk
                if len(waiting) >= BLOCK:  # chunks are small, and each visit to a thread has its price
                    await in_thread(partial(draft.write, bytes(waiting)))
                    waiting.clear()
            await in_thread(partial(draft.write, bytes(waiting)))
            return await in_thread(draft.keep)
        finally:
            await in_thread(draft.discard)

    async def put(self, key: str, content: bytes | Path) -> StoredFile:
        """Keep bytes, or a copy of the file at a path, under `key`."""
        return await in_thread(partial(self.put_now, key, content))

    def put_now(self, key: str, content: bytes | Path) -> StoredFile:
        """`put` for code that is in a thread already."""
        with self.draft(key) as draft:
            for block in [content] if isinstance(content, bytes) else blocks_of(content, content.name):
                draft.write(block)
            return draft.keep()

    def draft(self, key: str) -> Draft:
        """A file for `key` that is not there yet, to be written in a thread and then kept or discarded."""
        return Draft(self.path, key)

    async def verify(self, file: StoredFile, *, full: bool = False) -> bool:
        """Whether the file is there with its size, and when `full` with its SHA-256 too (reads all of it)."""
        return await in_thread(partial(self.holds, file, full=full))

    def holds(self, file: StoredFile, *, full: bool = False) -> bool:
        """`verify` for code that is in a thread already."""
        path = self.path(file.key)
        try:
            if not path.is_file() or path.stat().st_size != file.size:
                return False
        except OSError:
            return False
        return not full or digest_of(path, file.key)[1] == file.sha256

    async def sweep(self, older_than_seconds: float = _DAY) -> int:
        """Remove drafts that a crash left behind; answers how many."""
        return await in_thread(partial(self._sweep, time.time() - older_than_seconds))

    @asynccontextmanager
    async def swept(self, every: float = _DAY) -> AsyncIterator[None]:
        """Sweep now and every so many seconds until the block ends."""
        sweeping = asyncio.create_task(self._for_ever(every))
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)

    async def _for_ever(self, every: float) -> None:
        while True:
            with suppress(OSError):  # a folder that can't be read is told by whoever needs it
                await self.sweep()
            await asyncio.sleep(every)

    def _sweep(self, before: float) -> int:
        removed = 0
        for path in self.root.rglob(f".*{DRAFT}"):
            with suppress(OSError):  # gone meanwhile, or another user's
                if path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed
