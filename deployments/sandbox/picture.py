"""The moving picture behind the words: a mesh of colours that drifts, and a soft disc, all from the prompt's hash."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from math import cos, exp, pi, sin
from random import Random
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

RGB = tuple[int, int, int]

PALETTES: Final[tuple[tuple[str, ...], ...]] = (
    ("#0b1d3a", "#1f4e79", "#e07a5f", "#f2cc8f", "#3d405b"),  # dusk over water
    ("#10002b", "#3c096c", "#9d4edd", "#ff6d9d", "#240046"),  # neon violet
    ("#03211f", "#0b6e4f", "#6bbf59", "#f4e285", "#08403e"),  # forest light
    ("#1b0f0a", "#7f2d1d", "#d9622b", "#f9c74f", "#43130b"),  # embers
    ("#06141f", "#0f4c5c", "#2ec4b6", "#cbf3f0", "#123047"),  # lagoon
    ("#1a1423", "#684756", "#ab8476", "#f3d9b1", "#372549"),  # old rose
    ("#0d1321", "#1d2d44", "#748cab", "#f0ebd8", "#3e5c76"),  # winter sea
    ("#190b28", "#685369", "#ef798a", "#f7a9a8", "#2d1e4a"),  # blush
    ("#001219", "#005f73", "#ee9b00", "#e9d8a6", "#0a3b47"),  # harbour
    ("#14080e", "#49475b", "#799496", "#e9eb9e", "#2b2a3d"),  # moss and ash
    ("#0a0f2c", "#2b3a8c", "#7b6cf6", "#ff9e7a", "#161d4f"),  # blue hour
    ("#20060f", "#8d1b3d", "#f0476b", "#ffc2a1", "#4a0d23"),  # carmine
)


def rgb(colour: str) -> RGB:
    """Bytes of "#rrggbb"."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


@dataclass(frozen=True, slots=True)
class Blob:
    """A patch of colour on a closed orbit; lengths are shares of the picture, turns are whole."""

    colour: RGB
    x: float
    y: float
    reach_x: float
    reach_y: float
    size: float
    turns: int
    phase: float

    def centre(self, share: float) -> tuple[float, float]:
        """Where it is after this share of the clip; the same at 0 and 1, so that every clip loops."""
        angle = 2 * pi * self.turns * share + self.phase
        return self.x + self.reach_x * cos(angle), self.y + self.reach_y * sin(angle)


@dataclass(frozen=True, slots=True)
class Picture:
    """What a prompt looks like, apart from its words."""

    ground: tuple[RGB, RGB]
    """Top and bottom."""
    blobs: tuple[Blob, ...]
    disc: RGB
    disc_place: tuple[float, float]
    disc_size: float

    @classmethod
    def of(cls, prompt: str) -> "Picture":
        """The picture that this prompt always has."""
        random = Random(sha256(prompt.encode("utf-8", "replace")).digest())  # noqa: S311 - looks, not secrets
        deep, second, third, light, low = (rgb(colour) for colour in random.choice(PALETTES))
        if random.random() < 0.5:
            second, third = third, second
        blobs = tuple(_blob(random, colour) for colour in (second, third, second, low, third))
        place = (random.uniform(0.55, 0.85), random.uniform(0.2, 0.42))
        return cls((deep, low), blobs, light, place, random.uniform(0.3, 0.5))


def _blob(random: Random, colour: RGB) -> Blob:
    return Blob(
        colour, random.uniform(0.05, 0.95), random.uniform(0.05, 0.95), random.uniform(0.08, 0.25),
        random.uniform(0.08, 0.22), random.uniform(0.16, 0.34), random.choice((-1, 1)), random.uniform(0, 2 * pi),
    )  # fmt: skip


def meshes(picture: Picture, columns: int, rows: int, frames: int) -> Iterator[Image.Image]:
    """The drifting colours as tiny RGB images, one per frame; scaled up smoothly they become the picture."""
    top, bottom = picture.ground
    xs = [(column + 0.5) / columns for column in range(columns)]
    ys = [(row + 0.5) / rows for row in range(rows)]
    ground = [tuple(a + (b - a) * y for a, b in zip(top, bottom, strict=True)) for y in ys]
    for frame in range(frames):
        waves = [_waves(blob, frame / frames, xs, ys) for blob in picture.blobs]
        yield Image.frombytes("RGB", (columns, rows), bytes(_pixels(ground, waves, columns, rows)))


def _waves(blob: Blob, share: float, xs: list[float], ys: list[float]) -> tuple[RGB, list[float], list[float]]:
    """A blob's strength along both axes: their product is a soft round spot."""
    x0, y0 = blob.centre(share)
    spread = 2 * blob.size * blob.size
    across = [exp(-((x - x0) ** 2) / spread) for x in xs]
    return blob.colour, across, [0.85 * exp(-((y - y0) ** 2) / spread) for y in ys]


def _pixels(
    ground: list[tuple[float, ...]], waves: list[tuple[RGB, list[float], list[float]]], columns: int, rows: int
) -> Iterator[int]:
    for row in range(rows):
        for column in range(columns):
            red, green, blue = ground[row]
            for (r, g, b), across, down in waves:
                weight = across[column] * down[row]
                red += (r - red) * weight
                green += (g - green) * weight
                blue += (b - blue) * weight
            yield from (int(red + 0.5), int(green + 0.5), int(blue + 0.5))


def disc(picture: Picture, diameter: int) -> Image.Image:
    """A glassy RGBA disc, lit from above, with an even diameter in pixels."""
    scale = 2  # drawn larger and shrunk: a smooth rim
    size = diameter * scale
    light = Image.linear_gradient("L").resize((size, size)).point(lambda value: int(190 - value * 0.62))
    rim = Image.new("L", (size, size), 0)
    ImageDraw.Draw(rim).ellipse((scale, scale, size - scale - 1, size - scale - 1), fill=255)
    shape = Image.new("L", (size, size), 0)
    shape.paste(light, mask=rim.filter(ImageFilter.GaussianBlur(scale)))
    sprite = Image.new("RGBA", (diameter, diameter), (*picture.disc, 0))
    sprite.putalpha(shape.resize((diameter, diameter), Image.Resampling.LANCZOS))
    return sprite
