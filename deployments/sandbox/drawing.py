"""A prompt and a shape → an MP4 that plays, and its thumbnail; the same bytes every time."""

import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from PIL import Image

from deployments.sandbox.generations import Shape
from deployments.sandbox.picture import Picture, disc, meshes
from deployments.sandbox.typography import layer

FPS: Final = 24
MESH: Final = 20
"""Points of the colour mesh along the longer side."""
SCALER: Final = "bicubic+accurate_rnd+bitexact+full_chroma_inp"
TV: Final = "out_color_matrix=bt709:out_range=tv"
ENCODER: Final = {
    "preset": "ultrafast", "qp": "21", "g": "120", "sc_threshold": "0", "threads": "1", "flags": "+bitexact",
    "x264-params": "deblock=0,0:colorprim=bt709:transfer=bt709:colormatrix=bt709",
}  # fmt: skip
"""One thread, because how x264 shares work shows in its bytes; deblocking, because soft colours would show squares."""


@dataclass(frozen=True, slots=True)
class DrawnClip:
    """An MP4 and a JPEG, as bytes."""

    video: bytes
    thumbnail: bytes


def draw(prompt: str, shape: Shape, footer: str) -> DrawnClip:
    """Draw and encode one clip; takes about a second of one core, so call it in a thread."""
    frames = composed(prompt, shape, footer)
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        path = Path(folder) / "clip.mp4"
        thumbnail = _encode(path, frames, shape)
        return DrawnClip(path.read_bytes(), thumbnail)


def composed(prompt: str, shape: Shape, footer: str) -> Iterator[VideoFrame]:
    """The clip's finished frames in yuv420p."""
    picture, count = Picture.of(prompt), shape.seconds * FPS
    across = shape.width >= shape.height
    short = max(4, round(MESH * min(shape.width, shape.height) / max(shape.width, shape.height)))
    columns, rows = (MESH, short) if across else (short, MESH)
    graph = _Composer(picture, shape, (columns, rows), layer((shape.width, shape.height), prompt, footer))
    for number, mesh in enumerate(meshes(picture, columns, rows, count)):
        yield graph.compose(mesh, number)


class _Composer:
    """A filter graph that scales the mesh up and lays disc and words over it, all outside Python."""

    def __init__(self, picture: Picture, shape: Shape, mesh: tuple[int, int], words: Image.Image) -> None:
        self._graph = graph = Graph()
        self._mesh = _source(graph, *mesh, "rgb24")
        ground = graph.add("scale", f"{shape.width}:{shape.height}:flags={SCALER}:{TV}")
        form = graph.add("format", "yuv420p")
        with_disc = graph.add("overlay", f"{_orbit(picture, shape)}:eof_action=repeat")
        box = _even_box(words)
        with_words = graph.add("overlay", f"x={box[0]}:y={box[1]}:eof_action=repeat")
        sink = graph.add("buffersink")
        graph.link_nodes(self._mesh, ground, form, with_disc, with_words, sink)
        stills = (disc(picture, _diameter(picture, shape)), words.crop(box))
        sources = [_laid_over(graph, still, onto) for still, onto in zip(stills, (with_disc, with_words), strict=True)]
        graph.configure()
        for source, still in zip(sources, stills, strict=True):
            # from_image would drop the alpha channel.
            source.push(_timed(VideoFrame.from_bytes(still.tobytes(), still.width, still.height, format="rgba"), 0))
            source.push(None)

    def compose(self, mesh: Image.Image, number: int) -> VideoFrame:
        """One frame of the clip."""
        frame: VideoFrame = VideoFrame.from_image(mesh)  # type: ignore[no-untyped-call]
        self._mesh.push(_timed(frame, number))
        return self._graph.vpull()


def _diameter(picture: Picture, shape: Shape) -> int:
    return round(min(shape.width, shape.height) * picture.disc_size / 2) * 2


def _orbit(picture: Picture, shape: Shape) -> str:
    """Where the disc is in frame n, in the overlay filter's language: one slow turn per clip."""
    half, drift = _diameter(picture, shape) / 2, shape.width * 0.03
    x, y = picture.disc_place[0] * shape.width - half, picture.disc_place[1] * shape.height - half
    turn = f"2*PI*n/{shape.seconds * FPS}"
    return f"x='{x:.0f}+{drift:.0f}*sin({turn})':y='{y:.0f}+{drift / 2:.0f}*cos({turn})'"


def _even_box(words: Image.Image) -> tuple[int, int, int, int]:
    """The part of the layer that has words, widened to even pixels: chroma has half the resolution."""
    left, top, right, bottom = words.getbbox() or (0, 0, 2, 2)
    return left // 2 * 2, top // 2 * 2, (right + 1) // 2 * 2, (bottom + 1) // 2 * 2


def _laid_over(graph: Graph, still: Image.Image, onto: FilterContext) -> FilterContext:
    """A source for a still picture with alpha, linked as the upper input of an overlay."""
    source, scale = _source(graph, still.width, still.height, "rgba"), graph.add("scale", f"flags={SCALER}:{TV}")
    alpha = graph.add("format", "yuva420p")
    source.link_to(scale)
    scale.link_to(alpha)
    alpha.link_to(onto, 0, 1)
    return source


def _source(graph: Graph, width: int, height: int, form: str) -> FilterContext:
    return graph.add_buffer(width=width, height=height, format=VideoFormat(form), time_base=Fraction(1, FPS))


def _timed(frame: VideoFrame, number: int) -> VideoFrame:
    frame.pts, frame.time_base = number, Fraction(1, FPS)
    return frame


def _encode(path: Path, frames: Iterator[VideoFrame], shape: Shape) -> bytes:
    thumbnail = b""
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", container_options=options) as container:
        stream = container.add_stream("libx264", rate=FPS, options=dict(ENCODER))
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for number, frame in enumerate(frames):
            if number == shape.seconds * FPS // 2:
                thumbnail = _jpeg(frame)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return thumbnail


def _jpeg(frame: VideoFrame) -> bytes:
    out = io.BytesIO()
    picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()
