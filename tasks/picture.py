"""The picture of a film, part by part: copied, or encoded anew (PyAV). All of it blocks: for use in a thread."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from typing import Any, Final

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image

from tasks.clips import opened
from tasks.files import MediaError, explained
from tasks.film_plan import Part, Plan
from tasks.title_card import title_card

_BT709: Final = 1
_X264: Final = {
    "preset": "faster",
    "crf": "18",  # not to be told from the clips by eye
    "threads": "4",  # fixed: the picture depends on it
    "g": "48",  # a keyframe every two seconds, for seeking
    "forced-idr": "1",
}


class Copied:
    """The clips' own packets, moved in time."""

    def __init__(self, film: OutputContainer, first: Part) -> None:
        self._film = film
        with opened(*first.source) as (_, stream):
            self._stream = film.add_stream_from_template(stream)
            self._stream.time_base = stream.time_base

    def add(self, part: Part, start: Fraction, end: Fraction) -> Iterator[float]:
        """Append a clip; yields the share of it that is done."""
        assert part.info  # noqa: S101
        with opened(*part.source) as (container, stream):
            assert stream.time_base  # noqa: S101
            shift = round(start / stream.time_base) - part.info.begin
            length = (end - start) / stream.time_base
            for packet in container.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                done = float((packet.pts - part.info.begin) / length)
                packet.pts += shift
                packet.dts += shift
                packet.stream = self._stream
                _mux(self._film, [packet])
                yield min(1.0, max(0.0, done))

    def finish(self) -> None:
        """Nothing is held back."""


class Encoded:
    """Frames of clips and cards, brought to one size and rate and encoded."""

    def __init__(self, film: OutputContainer, made: Plan) -> None:
        self._film, self._made, self._next = film, made, 0
        self._stream: VideoStream = film.add_stream("libx264", rate=made.rate, options=dict(_X264))
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = made.width, made.height, "yuv420p"
        context.color_primaries, context.color_trc, context.colorspace = made.colours

    def add(self, part: Part, start: Fraction, end: Fraction) -> Iterator[float]:
        """Append exactly the frames from `start` to `end`: the last is held when a clip ends early."""
        wanted = round((end - start) * self._made.rate)
        frame: VideoFrame | None = None
        with closing(self._frames(part)) as frames:
            for at in range(wanted):
                frame = next(frames, frame)
                if frame is None:
                    raise MediaError(f"{part.name} is not a video that plays.")
                # Chapters begin where players can jump to; everywhere else the encoder decides, not the clip.
                frame.pict_type = PictureType.NONE if at else PictureType.I
                frame.pts, frame.time_base = self._next, 1 / self._made.rate
                self._next += 1
                self._encode(frame)
                yield (at + 1) / wanted

    def _frames(self, part: Part) -> Generator[VideoFrame, None, None]:
        if part.path:
            yield from self._clip(part)
        else:
            yield self._card(part)

    def _clip(self, part: Part) -> Iterator[VideoFrame]:
        with opened(*part.source) as (container, stream):
            graph = self._graph(stream)
            for frame in container.decode(stream):
                graph.vpush(frame)
                yield from _pulled(graph)
            graph.vpush(None)
            yield from _pulled(graph)

    def _graph(self, stream: VideoStream) -> av.filter.Graph:
        size = f"{self._made.width}:{self._made.height}"
        steps = (
            ("scale", "trunc(iw*sar/2)*2:ih"),  # square pixels
            ("scale", f"{size}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=lanczos:out_range=tv"),
            ("pad", f"{size}:(ow-iw)/2:(oh-ih)/2"),
            ("setsar", "1"),
            ("fps", f"{self._made.rate}"),
            ("format", "yuv420p"),
        )
        graph = av.filter.Graph()
        nodes = [graph.add_buffer(template=stream), *(graph.add(*step) for step in steps), graph.add("buffersink")]
        graph.link_nodes(*nodes).configure()
        return graph

    def _card(self, part: Part) -> VideoFrame:
        image = title_card(part.number, part.text, self._made.width, self._made.height)
        matrix = Colorspace.ITU709 if self._made.colours[2] == _BT709 else Colorspace.DEFAULT
        return _frame(image).reformat(format="yuv420p", dst_colorspace=matrix)

    def _encode(self, frame: VideoFrame | None) -> None:
        _mux(self._film, self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder held back."""
        self._encode(None)


def _pulled(graph: av.filter.Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (BlockingIOError, EOFError):
            return


def _frame(image: Image.Image) -> VideoFrame:
    frame: VideoFrame = VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
    return frame


def _mux(film: OutputContainer, packets: "Sequence[Packet[Any]]") -> None:
    with explained("written", "The film"):  # at once: around it lies the clip's reader, with its own sentences
        film.mux(packets)
