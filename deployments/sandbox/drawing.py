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
from av.video.frame import VideoFrame
from PIL import Image

from deployments.sandbox.generations import Shape
from deployments.sandbox.picture import Picture, disc, meshes
from deployments.sandbox.typography import layer

FPS: Final = 24
MESH: Final = 20
"""Points of the colour mesh along the longer side."""
SCALER: Final = "bicubic+accurate_rnd+bitexact+full_chroma_inp"
ENCODER: Final = {
    "preset": "ultrafast", "tune": "zerolatency", "crf": "23", "threads": "1", "g": "48", "sc_threshold": "0",
    "flags": "+bitexact",
}  # fmt: skip


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
        diameter = round(min(shape.width, shape.height) * picture.disc_size / 2) * 2
        x, y = (
            round(share * side - diameter / 2)
            for share, side in zip(picture.disc_place, (shape.width, shape.height), strict=True)
        )
        drift, turn = round(shape.width * 0.03), f"2*PI*n/{shape.seconds * FPS}"
        box = words.getbbox() or (0, 0, 2, 2)
        left, top = box[0] // 2 * 2, box[1] // 2 * 2
        right, bottom = min(words.width, (box[2] + 1) // 2 * 2), min(words.height, (box[3] + 1) // 2 * 2)
        graph = self._graph = Graph()
        self._mesh = _source(graph, *mesh, "rgb24")
        stills = (disc(picture, diameter), words.crop((left, top, right, bottom)))
        sources = [_source(graph, still.width, still.height, "rgba") for still in stills]
        scaled = graph.add("scale", f"{shape.width}:{shape.height}:flags={SCALER}:out_color_matrix=bt709:out_range=tv")
        ground = graph.add("format", "yuv420p")
        with_disc = graph.add(
            "overlay", f"x='{x}+{drift}*sin({turn})':y='{y}+{drift // 2}*cos({turn})':eof_action=repeat"
        )
        with_words = graph.add("overlay", f"x={left}:y={top}:eof_action=repeat")
        self._sink = graph.add("buffersink")
        self._mesh.link_to(scaled)
        scaled.link_to(ground)
        ground.link_to(with_disc, 0, 0)
        for source, onto in zip(sources, (with_disc, with_words), strict=True):
            form = graph.add("scale", "flags=accurate_rnd+bitexact:out_color_matrix=bt709:out_range=tv")
            alpha = graph.add("format", "yuva420p")
            source.link_to(form)
            form.link_to(alpha)
            alpha.link_to(onto, 0, 1)
        with_disc.link_to(with_words, 0, 0)
        with_words.link_to(self._sink)
        graph.configure()
        for source, still in zip(sources, stills, strict=True):
            # from_image would drop the alpha channel.
            frame = VideoFrame.from_bytes(still.tobytes(), still.width, still.height, format="rgba")
            frame.pts, frame.time_base = 0, Fraction(1, FPS)
            source.push(frame)
            source.push(None)

    def compose(self, mesh: Image.Image, number: int) -> VideoFrame:
        """One frame of the clip."""
        frame = VideoFrame.from_image(mesh)
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        self._mesh.push(frame)
        made = self._sink.pull()
        assert isinstance(made, VideoFrame)
        return made


def _source(graph: Graph, width: int, height: int, form: str) -> FilterContext:
    return graph.add_buffer(width=width, height=height, format=form, time_base=Fraction(1, FPS))


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
    frame.to_image().save(out, "JPEG", quality=88)
    return out.getvalue()
