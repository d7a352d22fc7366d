"""Words on a clip: a font that has their letters, lines that fit, and a soft shadow.

Fonts come with the dependencies (Geist beside Prefect's UI, Aileron within Pillow), so that every installation draws
alike; letters that neither has are taken from a font of the system where there is one, else shown as bars.
"""

import importlib.util
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final, cast

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from deployments.sandbox.prompts import subject

Font = ImageFont.FreeTypeFont

MAX_CHARACTERS: Final = 260
MAX_LINES: Final = 7
LEADING: Final = 1.24
"""Baseline to baseline, in sizes."""
CLOSING: Final = frozenset("、。，．！？：；）」』】》〉…—")
"""What may not begin a line."""
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
        return cast(Font, ImageFont.load_default(size))  # the bitmap one comes only without FreeType
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


def _ideographic(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def pieces(text: str) -> list[str]:
    """The parts between which a line may break: words with their space, and single characters of scripts without."""
    parts: list[str] = []
    for character in text:
        ideographic = character not in CLOSING and _ideographic(character)
        if not parts or ideographic or (parts[-1][-1] == " " != character) or _ideographic(parts[-1][-1]):
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
        return round(self.size * LEADING)


def fitted(text: str, width: int, height: int) -> Lines:
    """The text in the largest size at which it fits; at the smallest the last line ends in an ellipsis."""
    path, side = face(text), min(width, height * 2)
    largest, smallest = max(14, round(side * 0.105)), max(10, round(side * 0.05))
    for size in range(largest, smallest - 1, -max(1, largest // 20)):
        lines = _broken(text, _font(path, size), width)
        if len(lines) <= MAX_LINES and len(lines) * size * LEADING <= height:
            return Lines(path, size, _balanced(text, _font(path, size), width, lines))
    lines = _broken(text, _font(path, smallest), width)
    room = max(1, min(MAX_LINES, int(height / (smallest * LEADING))))
    if len(lines) > room:
        lines = [*lines[: room - 1], lines[room - 1].rstrip(" .,…") + "…"]
    return Lines(path, smallest, tuple(lines))


def _broken(text: str, font: Font, width: float) -> list[str]:
    lines = [""]
    for piece in (part for whole in pieces(text) for part in _narrow(whole, font, width)):
        if lines[-1] and font.getlength((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines if line.strip()]


def _narrow(piece: str, font: Font, width: float) -> list[str]:
    """A piece that is wider than a whole line, cut into parts that aren't."""
    if (length := font.getlength(piece)) <= width:
        return [piece]
    per_line = max(1, int(len(piece) * width / length))
    return [piece[start : start + per_line] for start in range(0, len(piece), per_line)]


def _balanced(text: str, font: Font, width: float, lines: list[str]) -> tuple[str, ...]:
    """As many lines, of lengths as even as may be, so that no word is left alone on the last."""
    best = lines
    for share in range(96, 50, -4):
        tried = _broken(text, font, width * share / 100)
        if len(tried) > len(lines):
            break
        best = tried
    return tuple(best)


def layer(size: tuple[int, int], prompt: str, footer: str) -> Image.Image:
    """A clip's words as a transparent RGBA image of its size: the prompt low on the left, a footer below."""
    width, height = size
    margin, small = round(min(size) * 0.085), max(10, round(min(size) * 0.024))
    lines = fitted(shown(subject(prompt)), width - 2 * margin, round(height * 0.52))
    ink = Image.new("L", size, 0)
    pen, below = ImageDraw.Draw(ink), height - margin
    pen.text((margin, below), footer, font=_font(next(iter(_bundled()), None), small), fill=190, anchor="ls")
    baseline = below - round(small * 2.1 + lines.size * 0.4)
    for line in reversed(lines.lines):
        _draw_line(pen, line, lines, (margin, baseline, width - margin))
        baseline -= lines.leading
    return _inked(ink, max(2, lines.size // 7))


def _right_to_left(line: str) -> bool:
    directions = (unicodedata.bidirectional(character) for character in line)
    return next((d in ("R", "AL") for d in directions if d in ("L", "R", "AL")), False)


def _draw_line(pen: ImageDraw.ImageDraw, line: str, lines: Lines, place: tuple[int, int, int]) -> None:
    """Draw a line on its baseline between left and right, from the side where its script begins."""
    left, baseline, right = place
    if not all(_has(lines.path, letter) for letter in line):
        _draw_pieces(pen, line, lines, (left, baseline))
    elif _right_to_left(line):
        pen.text((right, baseline), line, font=_font(lines.path, lines.size), fill=255, anchor="rs")
    else:
        pen.text((left, baseline), line, font=_font(lines.path, lines.size), fill=255, anchor="ls")


def _draw_pieces(pen: ImageDraw.ImageDraw, line: str, lines: Lines, place: tuple[float, int]) -> None:
    """A line of which no font has all letters: bars read as text set aside, empty boxes would read as broken."""
    (left, baseline), font = place, _font(lines.path, lines.size)
    for drawable, run in groupby(pieces(line), lambda piece: all(_has(lines.path, letter) for letter in piece)):
        words = "".join(run)
        length = font.getlength(words)
        if drawable:
            pen.text((left, baseline), words, font=font, fill=255, anchor="ls")
        else:
            bar = (left, baseline - round(lines.size * 0.5), left + length - lines.size * 0.15, baseline)
            pen.rounded_rectangle(bar, radius=lines.size // 5, fill=150)
        left += length


def _inked(ink: Image.Image, blur: int) -> Image.Image:
    """White ink over its own dark, blurred shadow."""
    shadow = ink.filter(ImageFilter.GaussianBlur(blur)).point(lambda value: min(255, int(value * 0.75)))
    dark = Image.new("RGBA", ink.size, (6, 8, 16, 0))
    dark.putalpha(shadow)
    white = Image.new("RGBA", ink.size, (255, 255, 255, 0))
    white.putalpha(ink)
    return Image.alpha_composite(dark, white)
