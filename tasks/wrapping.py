"""Breaking text into lines of any script, measured by whoever draws them. Pure."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

import regex

_WIDE: Final = r"\p{Han}\p{Hiragana}\p{Katakana}"
# A word, or one character of a script that breaks anywhere, never parted from its punctuation.
_TOKEN: Final = regex.compile(
    rf"(?:[\p{{Ps}}\p{{Pi}}]*[{_WIDE}]\p{{M}}*[\p{{Po}}\p{{Pe}}\p{{Pf}}ーゝゞヽヾ々]*|[^\s{_WIDE}]+)\s*"
)
_UNPRINTABLE: Final = regex.compile(r"[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\s]+")
_GRAPHEME: Final = regex.compile(r"\X")


def one_line(text: str) -> str:
    """The text without line breaks, control characters and lone surrogates; runs of space become one."""
    return _UNPRINTABLE.sub(" ", text).strip()


def columns(text: str) -> int:
    """Width in columns of Latin text: East Asian wide characters take two, combining marks none."""
    return sum(_columns_of(character) for character in text)


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, limit: float, measure: Callable[[str], float] = columns) -> list[str]:
    """Lines at most `limit` wide; words stay whole unless one alone is wider, graphemes always. No text is lost."""
    lines: list[str] = []
    line = ""
    for token in _fitting_tokens(one_line(text), limit, measure):
        if line and measure(line + token.rstrip()) > limit:
            lines.append(line.rstrip())
            line = ""
        line += token
    return [*lines, line.rstrip()] if line else lines


def _fitting_tokens(text: str, limit: float, measure: Callable[[str], float]) -> Iterator[str]:
    for token in _TOKEN.findall(text):
        if measure(token.rstrip()) <= limit:
            yield token
        else:
            yield from _pieces(token, limit, measure)


def _pieces(token: str, limit: float, measure: Callable[[str], float]) -> Iterator[str]:
    piece = ""
    for grapheme in _GRAPHEME.findall(token):
        if piece and not grapheme.isspace() and measure(piece + grapheme) > limit:  # space ends a line, it begins none
            yield piece
            piece = ""
        piece += grapheme
    yield piece
