"""Drawn clips: they play, are what was asked for, and the same prompt always gives the same bytes."""

import asyncio
import io
from fractions import Fraction

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from deployments.sandbox.assets import ranged
from deployments.sandbox.clips import ClipStore, cached_clip
from deployments.sandbox.drawing import DrawnClip, draw
from deployments.sandbox.generations import Order, Shape
from deployments.sandbox.picture import Picture, meshes
from deployments.sandbox.typography import MAX_LINES, fitted, layer, pieces, shown

PROMPT = "A lighthouse keeper climbs the spiral stair at dusk"
SMALL = Shape(160, 90, 1)


def order(prompt: str = PROMPT, shape: Shape = SMALL) -> Order:
    return Order("dream-machine", "key", prompt, "ray-2", shape, 1, "http://luma")


@pytest.mark.parametrize(
    ("resolution", "ratio", "duration", "size"),
    [
        ("540p", "16:9", "5s", (960, 540)),
        ("360p", "9:16", "10s", (360, 640)),
        ("540p", "1:1", "5s", (540, 540)),
        ("540p", "21:9", "9s", (1260, 540)),
        ("540p", "9:21", "5s", (540, 1260)),
    ],
)
def test_a_clip_is_what_was_asked_for(resolution: str, ratio: str, duration: str, size: tuple[int, int]) -> None:
    shape = Shape.of(resolution, ratio, duration)
    clip = draw(PROMPT, shape, "Sandbox")
    with av.open(io.BytesIO(clip.video)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == size
        assert stream.average_rate == 24
        assert container.duration == shape.seconds * 1_000_000
        assert stream.time_base is not None
        times = [frame.pts * stream.time_base for frame in container.decode(video=0) if frame.pts is not None]
    assert times == [Fraction(n, 24) for n in range(shape.seconds * 24)]
    with Image.open(io.BytesIO(clip.thumbnail)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", size)


def test_a_clip_can_start_before_it_is_all_there() -> None:
    video = draw(PROMPT, SMALL, "Sandbox").video
    assert video.index(b"moov") < video.index(b"mdat")


def test_the_same_prompt_gives_the_same_bytes_and_another_gives_others() -> None:
    first, again, other = (draw(prompt, SMALL, "Sandbox") for prompt in (PROMPT, PROMPT, PROMPT + "."))
    assert first == again
    assert first.video != other.video
    assert first.thumbnail != other.thumbnail


def test_the_picture_moves_and_returns() -> None:
    frames = [mesh.tobytes() for mesh in meshes(Picture.of(PROMPT), 8, 5, 24)]
    assert len(set(frames)) > 12
    step = max(abs(a - b) for a, b in zip(frames[-1], frames[0], strict=True))
    assert step <= max(abs(a - b) for a, b in zip(frames[0], frames[1], strict=True)) + 24


def test_the_words_can_be_seen() -> None:
    blank, words = layer((320, 180), "", ""), layer((320, 180), "A sea", "Sandbox")
    assert blank.getbbox() is None
    assert words.getextrema()[3] == (0, 255)
    assert layer((320, 180), "Another sea", "Sandbox").tobytes() != words.tobytes()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert layer((160, 90), prompt, "Sandbox").size == (160, 90)
    assert "".join(pieces(prompt)) == prompt


@pytest.mark.parametrize(
    "text",
    [
        "A sea",
        "word " * 60,
        "Donaudampfschifffahrt" * 10,
        "夜の港で、老人は最後の船を待っていた。" * 4,
        "кот " * 50,
        "x",
    ],
)
@pytest.mark.parametrize("box", [(1100, 380), (400, 700), (120, 60)])
def test_lines_fit(text: str, box: tuple[int, int]) -> None:
    found = fitted(text, *box)
    font = ImageFont.truetype(found.path, found.size) if found.path else ImageFont.load_default(found.size)
    assert 1 <= len(found.lines) <= MAX_LINES
    assert len(found.lines) == 1 or len(found.lines) * found.leading <= box[1] + found.leading
    assert all(font.getlength(line) <= box[0] * 1.1 for line in found.lines)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("  A \n sea\t", "A sea"),
        ("A 🌊 sea ☕", "A sea"),
        ("A\x00 sea\u200b", "A sea"),
        ("word " * 100, ("word " * 52).strip() + "…"),
        ("海" * 300, "海" * 260 + "…"),
    ],
)
def test_what_is_shown_of_a_prompt(prompt: str, text: str) -> None:
    assert shown(prompt) == text


async def test_a_clip_is_drawn_once_for_all_who_wait() -> None:
    store = ClipStore()
    clips = await asyncio.gather(*(store.clip(order()) for _ in range(5)))
    assert all(clip is clips[0] for clip in clips)
    assert await store.clip(order()) is clips[0]


async def test_the_store_keeps_to_its_room_and_draws_anew() -> None:
    store = ClipStore(room_bytes=1)
    first = await store.clip(order("one sea"))
    await store.clip(order("two seas"))
    again = await store.clip(order("one sea"))
    assert again == first
    assert again is not first


async def test_a_client_that_gives_up_leaves_the_drawing_to_the_others() -> None:
    store = ClipStore()
    impatient = asyncio.create_task(store.clip(order()))
    patient = asyncio.create_task(store.clip(order()))
    await asyncio.sleep(0)
    impatient.cancel()
    assert isinstance(await patient, DrawnClip)
    assert impatient.cancelled()


async def test_cached_clips_are_one_per_shape() -> None:
    store = ClipStore()
    one, other = [await store.clip(order(prompt), cached=True) for prompt in ("one sea", "two seas")]
    assert one is other is cached_clip(SMALL)


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=5-2", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=a-b", 416, b"", "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("pages=1-2", 200, b"0123456789", None),
    ],
)
def test_ranges(wanted: str | None, status: int, body: bytes, content_range: str | None) -> None:
    answer = ranged(b"0123456789", "video/mp4", wanted)
    assert (answer.status_code, answer.body) == (status, body)
    assert answer.headers.get("content-range") == content_range
    assert answer.headers["accept-ranges"] == "bytes"
