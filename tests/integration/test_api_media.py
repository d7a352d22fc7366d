"""Clips and films over HTTP: whole, in ranges, saved under a name; and what is not theirs stays hidden."""

import asyncio
import os
import time
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from tasks.media import clip_key, media_url
from tasks.settings import Settings
from tests.integration.running_app import lifespan
from tests.integration.test_api_bad_input import problem_of

JOB, ATTEMPT = UUID(int=1), UUID(int=2)
KEY = clip_key(JOB, 3, ATTEMPT)
URL = media_url(KEY)
CLIP = bytes(range(256)) * 8


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One database is enough: files are not in it."""
    return f"sqlite+aiosqlite:///{tmp_path / 'storyreel.db'}"


@pytest.fixture(autouse=True)
async def _kept(app: FastAPI, client: httpx.AsyncClient) -> None:
    """One clip in the store, and a secret beside the store's folder."""
    store = app.state.studio.media
    await store.put(KEY, CLIP)
    (store.root.parent / "secret.txt").write_text("luma-key")


async def test_a_whole_file_may_be_kept_for_ever(client: httpx.AsyncClient) -> None:
    answer = await client.get(URL)
    assert (answer.status_code, answer.content) == (200, CLIP)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = await client.head(URL)
    assert (again.status_code, again.content, again.headers["content-length"]) == (200, b"", str(len(CLIP)))


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("0-9", 0, 9), ("100-", 100, 2047), ("-5", 2043, 2047), ("2000-9999", 2000, 2047)]
)
async def test_a_part_is_206(client: httpx.AsyncClient, asked: str, first: int, last: int) -> None:
    answer = await client.get(URL, headers={"Range": f"bytes={asked}"})
    assert (answer.status_code, answer.content) == (206, CLIP[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(CLIP)}"


async def test_a_part_beyond_the_end_says_how_long_the_file_is(client: httpx.AsyncClient) -> None:
    answer = await client.get(URL, headers={"Range": "bytes=5000-"})
    assert "bytes that this file does not have" in problem_of(answer, 416, "bad_range")
    assert answer.headers["content-range"].endswith(f"*/{len(CLIP)}")


@pytest.mark.parametrize("asked", ["bytes=abc", "bytes=", "bytes=9-2", "lines=1-2"])
async def test_a_part_that_is_none_is_said(client: httpx.AsyncClient, asked: str) -> None:
    answer = await client.get(URL, headers={"Range": asked})
    assert "is not one, as in “bytes=0-1023”" in problem_of(answer, 400, "bad_range")


async def test_a_file_is_saved_under_a_name(client: httpx.AsyncClient) -> None:
    for asked, given in (("My film.mov", "My%20film.mp4"), ("../etc/passwd", "passwd.mp4"), ("灯台", "%E7%81%AF")):
        answer = await client.get(URL, params={"download": asked})
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert given in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    "path",
    [
        "", "jobs", f"jobs/{JOB}", "jobs/", f"jobs/{JOB}/scenes/004/{ATTEMPT}.mp4", "..%2fsecret.txt",
        "%2e%2e/secret.txt", "jobs/%2e%2e/%2e%2e/secret.txt", "/etc/passwd", "//etc/passwd",
        "..%5csecret.txt", "%00", "jobs%00.mp4", "a" * 5000, "ü.mp4", "%ff", ".part", KEY.upper(),
    ],
)  # fmt: skip
async def test_what_is_not_there_or_not_ours_is_404(client: httpx.AsyncClient, path: str) -> None:
    problem_of(await client.get(f"/api/media/{path}"), 404, "media_not_found")


async def test_what_a_crash_left_half_written_is_taken_away(settings: Settings) -> None:
    folder = settings.media / "crashed"
    folder.mkdir(parents=True)
    for name, age in ((".old.mp4.1.part", 90_000), (".new.mp4.2.part", 10)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    async with lifespan(create_app(settings)):
        for _ in range(500):
            if not (folder / ".old.mp4.1.part").exists():
                break
            await asyncio.sleep(0.02)
    assert [path.name for path in folder.iterdir()] == [".new.mp4.2.part"]
