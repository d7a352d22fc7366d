import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.files import in_thread
from tasks.ledger import StoredFile
from tasks.media import MediaError, MediaStore, clip_key, film_key, job_prefix, still_key

JOB, ATTEMPT = UUID(int=1), UUID(int=2)
KEY = clip_key(JOB, 3, ATTEMPT)


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media")


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


def files(store: MediaStore) -> list[str]:
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


async def test_what_is_written_is_there_with_its_size_and_digest(store: MediaStore) -> None:
    content = [os.urandom(700_000), b"", os.urandom(700_000), b"end"]
    kept = await store.write(KEY, chunks(*content))
    whole = b"".join(content)
    assert kept == StoredFile(KEY, len(whole), sha256(whole).hexdigest())
    assert store.path(KEY).read_bytes() == whole
    assert files(store) == [KEY]
    assert await store.verify(kept, full=True)


async def test_an_empty_file_can_be_kept(store: MediaStore) -> None:
    kept = await store.write(KEY, chunks())
    assert (kept.size, kept.sha256) == (0, sha256(b"").hexdigest())
    assert store.path(KEY).read_bytes() == b""


async def test_bytes_and_files_are_put_alike(store: MediaStore, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(b"moving")
    assert await store.put(KEY, tmp_path / "clip") == await store.put(KEY, b"moving")
    assert (tmp_path / "clip").exists()


async def test_a_broken_stream_leaves_nothing_and_keeps_what_was_there(store: MediaStore) -> None:
    await store.put(KEY, b"before")

    async def breaking() -> AsyncIterator[bytes]:
        yield os.urandom(2_000_000)
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await store.write(KEY, breaking())
    assert files(store) == [KEY]
    assert store.path(KEY).read_bytes() == b"before"


async def test_a_cancelled_write_leaves_nothing(store: MediaStore) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield os.urandom(2_000_000)
        begun.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(store.write(KEY, endless()))
    await begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert files(store) == []


async def test_cancelling_waits_for_the_thread_and_tells_it_to_stop() -> None:
    told: list[str] = []

    def work() -> None:
        while "stop" not in told:
            time.sleep(0.001)
        told.append("ended")

    waiting = asyncio.create_task(in_thread(work, stop=lambda: told.append("stop")))
    await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert told == ["stop", "ended"]


async def test_work_cancelled_in_the_queue_is_never_begun() -> None:
    begun: list[str] = []
    busy = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        first = asyncio.create_task(in_thread(lambda: busy.wait(10), executor))
        second = asyncio.create_task(in_thread(lambda: begun.append("second"), executor))
        await asyncio.sleep(0.02)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        busy.set()
        assert await first
        assert await in_thread(lambda: "third", executor) == "third"
    assert begun == []


async def test_writers_of_one_key_do_not_mix(store: MediaStore) -> None:
    contents = [bytes([n]) * 1_500_000 for n in range(6)]
    await asyncio.gather(*(store.write(KEY, chunks(content[:900_000], content[900_000:])) for content in contents))
    assert store.path(KEY).read_bytes() in contents
    assert files(store) == [KEY]


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../a", "a/../b", "a//b", "a/", "./a", "a/.b", ".a.part", "a\\b", "C:/a", "a b", "a\n", "A",
     "a\x00b", "é", "a..b", "~root", "a%2e", "x" * 201],
)  # fmt: skip
async def test_odd_keys_are_refused_by_every_way_in(store: MediaStore, key: str) -> None:
    for attempt in (store.put(key, b"x"), store.write(key, chunks(b"x"))):
        with pytest.raises(MediaError) as caught:
            await attempt
        assert not caught.value.retry
    with pytest.raises(MediaError):
        await store.verify(StoredFile(key, 1, ""))


@given(st.text())
def test_a_key_never_leads_out_of_the_store(key: str) -> None:
    root = Path("/srv/media")
    try:
        path = MediaStore(root).path(key)
    except MediaError:
        return
    assert path.resolve().is_relative_to(root)
    assert path != root
    assert not path.name.startswith(".")


@given(st.uuids(), st.integers(1, 40), st.uuids(), st.binary(min_size=32, max_size=32))
def test_made_keys_are_valid_distinct_and_below_their_job(job: UUID, number: int, attempt: UUID, digest: bytes) -> None:
    keys = [clip_key(job, number, attempt), still_key(job, number, attempt), film_key(job, digest.hex())]
    keys += [film_key(job, digest.hex(), name) for name in ("poster.jpg", "captions.vtt", "manifest.json")]
    assert len(set(keys)) == len(keys)
    for key in keys:
        assert MediaStore(Path("/m")).path(key) == Path("/m") / key
        assert key.startswith(job_prefix(job) + "/")


def test_the_clip_key_is_the_documented_one() -> None:
    assert f"jobs/{JOB}/scenes/003/{ATTEMPT}.mp4" == KEY


async def test_verify_sees_a_missing_a_short_and_a_changed_file(store: MediaStore) -> None:
    kept = await store.put(KEY, b"1234")
    assert await store.verify(kept, full=True)
    store.path(KEY).write_bytes(b"4321")
    assert await store.verify(kept)
    assert not await store.verify(kept, full=True)
    store.path(KEY).write_bytes(b"123")
    assert not await store.verify(kept)
    store.path(KEY).unlink()
    assert not await store.verify(kept)


async def test_sweep_takes_old_drafts_only(store: MediaStore) -> None:
    assert await store.sweep() == 0
    await store.put(KEY, b"x")
    folder = store.path(KEY).parent
    for name, age in ((".a.mp4.1.part", 90_000), (".a.mp4.2.part", 10)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    os.utime(store.path(KEY), (0, 0))
    assert await store.sweep() == 1
    assert [Path(name).name for name in files(store)] == [".a.mp4.2.part", f"{ATTEMPT}.mp4"]


async def test_a_file_where_a_folder_should_be_is_one_sentence(store: MediaStore) -> None:
    await store.put("jobs", b"x")
    with pytest.raises(MediaError, match=r"^jobs/.+ could not be written: File exists\.$") as caught:
        await store.put(KEY, b"x")
    assert caught.value.retry


FULL = """
    import asyncio, resource, sys
    from pathlib import Path
    from tasks.media import MediaError, MediaStore

    async def main() -> None:
        store = MediaStore(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        async def large():
            for _ in range(5):
                yield bytes(1_000_000)
        for way in (lambda: store.put("a/b.mp4", bytes(200_000)), lambda: store.write("a/b.mp4", large())):
            try:
                await way()
            except MediaError as error:
                print(error, error.retry)
        print(sorted(path.name for path in store.root.rglob("*")))

    asyncio.run(main())
"""


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path)], capture_output=True, text=True, check=True
    )
    said = "The disk is full: a/b.mp4 could not be written. True\n"
    assert ran.stdout == said + said + "['a']\n"
    assert ran.stderr == ""
