"""Looking into clips (PyAV): their shape, whether they play, stills of them. All of it blocks: for use in a thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageStat

from tasks.files import MediaError

_QUALITY: Final = 85
"""Of a JPEG. Progressive ones are a tenth smaller and take seven times as long, and no other thread runs meanwhile."""
_MOMENT: Final = Fraction(1, 2)
"""Seconds: after them, nothing of a clip is in its beginning any more."""
_FLAT: Final = 4.0  # standard deviation of brightness below which a frame shows nothing


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """A clip's shape, and what must be equal in all clips for joining them without re-encoding."""

    duration_seconds: float
    width: int
    height: int
    fps: float
    codec: str
    has_audio: bool
    length: Fraction = field(repr=False)
    """The exact duration, seconds."""
    rate: Fraction = field(repr=False)
    """The exact frames per second."""
    frames: int = field(repr=False)
    begin: int = field(repr=False)
    """Presentation time of the first frame, in the stream's ticks."""
    colours: tuple[int, int, int] = field(repr=False)
    """Primaries, transfer and matrix, as FFmpeg numbers them (2: unspecified)."""
    joint: tuple[object, ...] | None = field(repr=False)
    """Equal joints join by copying; None: never."""


@dataclass(slots=True)
class _Timing:
    """What the packets of a video stream say, in ticks."""

    packets: int = 0
    first_dts: int = 0
    last_dts: int = 0
    begin: int = 0
    end: int = 0
    plain: bool = True
    """Every packet is shown, and the first one can be decoded by itself."""
    cut_short: bool = False


@contextmanager
def opened(path: Path, name: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file and its video stream; faults of the file become a `MediaError` that calls it `name`."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{name} has no picture.")
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # threads for a clip of seconds cost twice the processor time
            yield container, stream
    except (FileNotFoundError, PermissionError) as error:
        raise MediaError(f"{name} can't be read: {error.strerror}.", retry=True) from error
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise MediaError(f"{name} is not a video that plays.") from error


def look_into(path: Path, name: str) -> ClipInfo:
    """The clip's shape. Reads every packet, so that one cut short is found out, and decodes the first frame."""
    with opened(path, name) as (container, stream):
        timing = _timing(container, stream)
        rate = stream.average_rate or stream.guessed_rate
        base = stream.time_base
        if timing.cut_short or timing.packets < len(stream.index_entries):
            raise MediaError(f"{name} is cut short.")
        if timing.end <= timing.begin or not rate or not base:
            raise MediaError(f"{name} is not a video that plays.")
        container.seek(0)
        if next(container.decode(stream), None) is None:
            raise MediaError(f"{name} is not a video that plays.")
        length = (timing.end - timing.begin) * base
        context = stream.codec_context
        return ClipInfo(
            duration_seconds=float(length),
            width=stream.width,
            height=stream.height,
            fps=float(rate),
            codec=context.name,
            has_audio=bool(container.streams.audio),
            length=length,
            rate=rate,
            frames=timing.packets,
            begin=timing.begin,
            colours=(context.color_primaries, context.color_trc, context.colorspace),
            joint=_joint(stream, timing),
        )


def _timing(container: InputContainer, stream: VideoStream) -> _Timing:
    timing, shown = _Timing(), []
    for packet in container.demux(stream):
        if packet.dts is None or packet.pts is None:  # the flush at the end has no times
            continue
        if not timing.packets:
            timing.first_dts = packet.dts
            timing.plain = packet.is_keyframe
        timing.packets += 1
        timing.last_dts = packet.dts
        timing.plain = timing.plain and not packet.is_discard
        timing.cut_short = timing.cut_short or packet.is_corrupt
        shown.append((packet.pts, packet.pts + (packet.duration or 0)))
    if shown:
        timing.begin, timing.end = min(shown)[0], max(end for _, end in shown)
    return timing


def _joint(stream: VideoStream, timing: _Timing) -> tuple[object, ...] | None:
    """Browsers play H.264 in 4:2:0; its parameter sets stand once in an MP4, so they must be the same throughout."""
    context = stream.codec_context
    lead = timing.begin - timing.first_dts
    follows_on = (
        timing.last_dts < timing.end - lead
    )  # or the next clip's first packet would come before this one's last
    if context.name != "h264" or context.pix_fmt != "yuv420p" or not timing.plain or not follows_on:
        return None
    shape = (stream.width, stream.height, stream.sample_aspect_ratio, stream.average_rate, stream.time_base)
    return (*shape, context.extradata, lead)


def still_of(path: Path, name: str) -> Image.Image:
    """A frame that shows something: a key frame from the middle on or one soon after a key frame, else any of a few."""
    with opened(path, name) as (container, stream):
        image = None
        for image in _frames(container, stream):
            if ImageStat.Stat(image.convert("L")).stddev[0] >= _FLAT:
                break
        if image is None:
            raise MediaError(f"{name} is not a video that plays.")
        return image


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[Image.Image]:
    """Frames that a still may be of, those that are cheap to decode first: a frame needs all since its key frame."""
    start, length = stream.start_time or 0, stream.duration or 0
    middle = start + length // 2
    tries: tuple[Callable[[], Image.Image | None], ...] = (
        lambda: _key_frame(container, stream, middle),
        lambda: _frame_at(container, stream, middle, moment=_MOMENT),
        lambda: _frame_at(container, stream, middle),
        lambda: _frame_at(container, stream, start + length // 4),
        lambda: _frame_at(container, stream, start),
    )
    return (image for image in (find() for find in tries) if image)


def _key_frame(container: InputContainer, stream: VideoStream, ticks: int) -> Image.Image | None:
    """The first key frame from there on: one frame is decoded for it, where another may need a hundred before it."""
    stream.codec_context.skip_frame = "NONKEY"
    try:
        return _frame_at(container, stream, ticks)
    finally:
        stream.codec_context.skip_frame = "DEFAULT"


def _frame_at(
    container: InputContainer, stream: VideoStream, ticks: int, *, moment: Fraction | None = None
) -> Image.Image | None:
    """The first frame from there on; with a `moment`, one that many seconds after the last key frame before will do.

    Clips of seconds often have one key frame, at their start, and decoding to the middle takes ten times as long.
    """
    container.seek(ticks, stream=stream)
    for frame in container.decode(stream):
        if frame.pts is None or frame.pts >= ticks:
            image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
            return image
        if moment and stream.time_base:
            ticks, moment = min(ticks, frame.pts + int(moment / stream.time_base)), None
    return None


def jpeg(image: Image.Image) -> bytes:
    """The picture as a JPEG."""
    buffer = BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
