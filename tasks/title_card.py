"""The picture that stands in for a scene without a clip: its number and its text, at any size and in any script.

No font is shipped: the machine's own are used, the widest known first, and Pillow's bundled one (ASCII) when there is
none. A text that no font at hand can draw is not drawn as boxes; the card then says only that the scene is missing.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from tasks.wrapping import one_line, wrap

_FONTS: Final = (  # by coverage: Linux, macOS, Windows; then those for scripts of their own
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "LiberationSans-Regular.ttf",
    "Helvetica.ttc",
    "segoeui.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "AppleSDGothicNeo.ttc",
    "msyh.ttc",
    "YuGothR.ttc",
    "malgun.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "Nirmala.ttf",
    "LeelawUI.ttf",
)
_TOP, _BOTTOM = (24, 29, 41), (11, 13, 19)
_TEXT, _QUIET, _RULE = (226, 228, 233), (128, 136, 152), (58, 65, 82)
_MISSING: Final = "This scene is missing"
_LONGEST: Final = 700  # characters: more can't be read in a scene's time, nor fitted
_SYMBOLS: Final = frozenset({"So", "Sk", "Cn"})  # Cn: emoji newer than Python's tables
_JOINERS: Final = "\u200d\ufe0e\ufe0f"  # glue of emoji sequences, no glyphs themselves
_SPACING: Final = 1.42  # line height in font sizes

Font = ImageFont.FreeTypeFont


def title_card(number: int, text: str, width: int, height: int) -> Image.Image:
    """An RGB picture of `width` × `height` pixels for scene `number`."""
    card = _backdrop(width, height)
    draw = ImageDraw.Draw(card)
    text, face = _drawable(_readable(text))
    font, lines = _fitted(text, face, width, height)
    unit = min(width, height)
    line_height = font.size * _SPACING
    top = (height - line_height * len(lines)) / 2 + unit * 0.04
    _heading(draw, number, width, top - unit * 0.1, unit)
    for at, line in enumerate(lines):
        colour = _QUIET if text == _MISSING else _TEXT
        draw.text((width / 2, top + line_height * (at + 0.5)), line, fill=colour, font=font, anchor="mm")
    return card


def _heading(draw: ImageDraw.ImageDraw, number: int, width: int, y: float, unit: int) -> None:
    """The number, small, over a short rule."""
    font = _face(None).font_variant(size=max(8, unit * 0.034))
    draw.text((width / 2, y), f"{number}", fill=_QUIET, font=font, anchor="mm")
    half, below = unit * 0.035, y + unit * 0.042
    draw.line([(width / 2 - half, below), (width / 2 + half, below)], fill=_RULE, width=max(1, round(unit * 0.003)))


def _backdrop(width: int, height: int) -> Image.Image:
    """A dark gradient from top to bottom."""
    column = Image.new("RGB", (1, height))
    for y in range(height):
        share = y / max(1, height - 1)
        mixed = [round(a + (b - a) * share) for a, b in zip(_TOP, _BOTTOM, strict=True)]
        column.putpixel((0, y), (mixed[0], mixed[1], mixed[2]))
    return column.resize((width, height))


def _fitted(text: str, face: Font, width: int, height: int) -> tuple[Font, list[str]]:
    """The largest size at which the text fits its box, and its lines; shortened when even the smallest is too large."""
    unit, box_width, box_height = min(width, height), width * 0.78, height * 0.62
    for share in (0.066, 0.058, 0.051, 0.045, 0.04, 0.036):
        font = face.font_variant(size=max(7, unit * share))
        lines = wrap(text, box_width, font.getlength)
        most = max(1, int(box_height / (font.size * _SPACING)))
        if len(lines) <= most:
            return font, lines
    return font, [*lines[: most - 1], _shortened(lines[most - 1], box_width, font)]


def _shortened(line: str, width: float, font: Font) -> str:
    dots = "…" if _draws(font, "…") else "..."
    while line and font.getlength(line + dots) > width:
        line = line[:-1]
    return line.rstrip() + dots


def _readable(text: str) -> str:
    text = unicodedata.normalize("NFC", one_line(text))
    return text if len(text) <= _LONGEST else text[:_LONGEST].rstrip() + "..."


def _drawable(text: str) -> tuple[str, Font]:
    """The text as one of the machine's fonts can draw it, and that font."""
    for candidate in (text, _without_symbols(text), _without_accents(text)):
        for face in _faces():
            if candidate and _draws(face, candidate):
                return candidate, face
    return _MISSING, _face(None)


def _without_symbols(text: str) -> str:
    """Emoji and other pictures left out: the words matter more."""
    return one_line("".join(c for c in text if unicodedata.category(c) not in _SYMBOLS and c not in _JOINERS))


def _without_accents(text: str) -> str:
    """Base letters only: what is left of Latin text where just the bundled font is there."""
    return _without_symbols("".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)))


def _draws(face: Font, text: str) -> bool:
    """Whether the font has a glyph for every character."""
    absent = _glyph(face, "\U0010ffff")
    visible = {c for c in text if unicodedata.category(c) not in {"Zs", "Cf"} and c not in _JOINERS}
    return all(_glyph(face, character) != absent for character in visible)


def _glyph(face: Font, character: str) -> tuple[tuple[int, int], bytes]:
    mask = face.getmask(character)
    return mask.size, bytes(mask)


def _faces() -> Iterator[Font]:
    yield from filter(None, map(_installed, _FONTS))
    yield _face(None)


@lru_cache
def _installed(name: str) -> Font | None:
    try:
        return _face(name)
    except OSError:
        return None


@lru_cache
def _face(name: str | None) -> Font:
    font = ImageFont.truetype(name, 32) if name else ImageFont.load_default(32)
    if not isinstance(font, Font):
        raise OSError("Pillow was built without FreeType")
    return font
