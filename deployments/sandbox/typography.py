"""Words on a clip: a font that has their letters, lines that fit, and a soft shadow.

Fonts come with the dependencies (Geist beside Prefect's UI, Aileron within Pillow), so that every installation draws
alike; letters that neither has are taken from a font of the system where there is one, else shown as bars.
"""

import importlib.util
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFilter, ImageFont

Font = ImageFont.FreeTypeFont

MAX_CHARACTERS: Final = 260
MAX_LINES: Final = 7
SYSTEM_FOLDERS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "C:/Windows/Fonts")
SYSTEM_FONTS: Final = (
    "NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "wqy-microhei.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc",
    "msyh.ttc", "NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf", "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf", "Arial Unicode.ttf", "DejaVuSans.ttf", "FreeSans.ttf", "arial.ttf",
)  # fmt: skip


@lru_cache(maxsize=1)
def _bundled() -> tuple[Path, ...]:
    spec = importlib.util.find_spec("prefect")
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    return tuple(f for root in roots for f in sorted((root / "server/ui-v2/fonts").glob("Geist-*.ttf")))


@lru_cache(maxsize=1)
def _installed() -> tuple[Path, ...]:
    folders = [Path(folder) for folder in SYSTEM_FOLDERS if Path(folder).is_dir()]
    found = {file.name: file for folder in folders for file in sorted(folder.rglob("*")) if file.name in SYSTEM_FONTS}
    return tuple(found[name] for name in SYSTEM_FONTS if name in found)


@lru_cache(maxsize=64)
def _font(path: Path | None, size: int) -> Font:
    if path is None:
        font = ImageFont.load_default(size)
        assert isinstance(font, Font)
        return font
    font = ImageFont.truetype(path, size)
    if path in _bundled():
        font.set_variation_by_axes([560])
    return font


@lru_cache(maxsize=4096)
def _has(path: Path | None, letter: str) -> bool:
    """Whether a font has a letter: it draws something else than for one that no font has."""
    font = _font(path, 24)
    drawn, missing = font.getmask(letter), font.getmask("\uffff")
    return letter.isspace() or (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))


def face(text: str) -> Path | None:
    """The font for a text: the first that has all of its letters, else the one that has most; None is Pillow's own."""
    letters = {letter for letter in text if not letter.isspace()}

    def missing(path: Path | None) -> int:
        return sum(not _has(path, letter) for letter in letters)

    return min((*_bundled(), None, *_installed()), key=missing)


def shown(prompt: str) -> str:
    """The words to show: tidied, without pictograms and controls, and cut at a word when there are many."""
    kept = "".join(" " if c.isspace() else c for c in prompt if c.isspace() or unicodedata.category(c)[0] not in "CS")
    text = " ".join(kept.split())
    if len(text) <= MAX_CHARACTERS:
        return text
    cut = text[:MAX_CHARACTERS]
    return (cut.rsplit(" ", 1)[0] if " " in cut[MAX_CHARACTERS // 2 :] else cut).rstrip(" ,;:—-") + "…"


def pieces(text: str) -> list[str]:
    """The parts between which a line may break: words with their space, and single characters of scripts without."""
    parts: list[str] = []
    for character in text:
        wide = unicodedata.east_asian_width(character) in "WF"
        if not parts or wide or parts[-1].endswith(" ") or unicodedata.east_asian_width(parts[-1][-1]) in "WF":
            parts.append(character)
        else:
            parts[-1] += character
    return parts


@dataclass(frozen=True, slots=True)
class Lines:
    """Text broken into lines that fit, and the font that makes it so."""

    path: Path | None
    size: int
    lines: tuple[str, ...]

    @property
    def leading(self) -> int:
        """Pixels from one baseline to the next."""
        return round(self.size * 1.28)


def fitted(text: str, width: int, height: int) -> Lines:
    """The text in the largest size at which it fits; at the smallest the last line ends in an ellipsis."""
    path = face(text)
    largest, smallest = max(14, round(min(width, height) * 0.16)), max(10, round(min(width, height) * 0.055))
    for size in range(largest, smallest, -max(1, largest // 24)):
        lines = _broken(text, _font(path, size), width)
        if len(lines) <= MAX_LINES and len(lines) * size * 1.28 <= height:
            return Lines(path, size, tuple(lines))
    lines = _broken(text, _font(path, smallest), width)
    room = max(1, min(MAX_LINES, int(height / (smallest * 1.28))))
    if len(lines) > room:
        lines = [*lines[: room - 1], lines[room - 1].rstrip(" .,…") + "…"]
    return Lines(path, smallest, tuple(lines))


def _broken(text: str, font: Font, width: int) -> list[str]:
    lines = [""]
    for piece in pieces(text):
        if lines[-1] and font.getlength((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        for part in _narrow(piece, font, width):
            lines = [*lines, part] if lines[-1] and part is not piece else [*lines[:-1], lines[-1] + part]
    return [line.strip() for line in lines if line.strip()]


def _narrow(piece: str, font: Font, width: int) -> list[str]:
    """A piece that is wider than a whole line, cut into parts that aren't."""
    if font.getlength(piece) <= width:
        return [piece]
    per_line = max(1, int(len(piece) * width / font.getlength(piece)))
    return [piece[start : start + per_line] for start in range(0, len(piece), per_line)]


def layer(size: tuple[int, int], prompt: str, footer: str) -> Image.Image:
    """The words of a clip as a transparent RGBA image of the clip's size: the prompt low on the left, a footer below."""
    width, height = size
    margin, small = round(min(width, height) * 0.085), max(10, round(min(width, height) * 0.024))
    lines = fitted(shown(prompt), width - 2 * margin, round(height * 0.62))
    ink = Image.new("L", size, 0)
    pen = ImageDraw.Draw(ink)
    below = height - margin
    pen.text((margin, below), footer, font=_font(_bundled()[0] if _bundled() else None, small), fill=190, anchor="ls")
    first = below - round(small * 2.4) - lines.leading * (len(lines.lines) - 1)
    for number, line in enumerate(lines.lines):
        _draw_line(pen, line, lines, margin, width - margin, first + number * lines.leading)
    return _inked(ink, max(2, lines.size // 7))


def _right_to_left(line: str) -> bool:
    directions = (unicodedata.bidirectional(character) for character in line)
    return next((d in ("R", "AL") for d in directions if d in ("L", "R", "AL")), False)


def _draw_line(pen: ImageDraw.ImageDraw, line: str, lines: Lines, left: int, right: int, baseline: int) -> None:
    font = _font(lines.path, lines.size)
    if all(_has(lines.path, letter) for letter in line):
        backwards = _right_to_left(line)
        pen.text(
            (right if backwards else left, baseline), line, font=font, fill=255, anchor="rs" if backwards else "ls"
        )
        return
    for piece in pieces(line):
        length = font.getlength(piece)
        if all(_has(lines.path, letter) for letter in piece):
            pen.text((left, baseline), piece, font=font, fill=255, anchor="ls")
        else:
            # No font has these letters: a bar of their length reads as text set aside, boxes would read as broken.
            bar = (left, baseline - round(lines.size * 0.5), left + length - lines.size * 0.15, baseline)
            pen.rounded_rectangle(bar, radius=lines.size // 5, fill=210)
        left += round(length)


def _inked(ink: Image.Image, blur: int) -> Image.Image:
    """White ink over its own dark, blurred shadow."""
    shadow = ink.filter(ImageFilter.GaussianBlur(blur)).point(lambda value: min(255, int(value * 0.75)))
    dark = Image.new("RGBA", ink.size, (6, 8, 16, 0))
    dark.putalpha(shadow)
    white = Image.new("RGBA", ink.size, (255, 255, 255, 0))
    white.putalpha(ink)
    return Image.alpha_composite(dark, white)
