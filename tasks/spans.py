"""Spans of a script, and a copy of it that every reader can work on without care."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import regex


class Span(NamedTuple):
    """[start, end) in code points."""

    start: int
    end: int


UNREADABLE: Final = "\ufffd"
_TABLE: Final = {
    # Control characters and lone surrogates.
    **dict.fromkeys((*range(0x09), *range(0x0E, 0x1C), *range(0x7F, 0x85), *range(0x86, 0xA0)), UNREADABLE),
    **dict.fromkeys(range(0xD800, 0xE000), UNREADABLE),
    **{ord(separator): "\n" for separator in "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"},
    0x1F: " ",
}
_ONE_CHARACTER: Final = regex.compile(r"\X")


def readable(script: str) -> str:
    """The script, character for character, with `\\n` as its only line end and nothing that a UTF-8 reader refuses."""
    return script.replace("\r\n", " \n").translate(_TABLE)


def trimmed(text: str, start: int, end: int) -> Span | None:
    """[start, end) without space at its ends; None when nothing else is there."""
    words = text[start:end]
    inner = words.strip()
    if not inner:
        return None
    left = start + len(words) - len(words.lstrip())
    right = left + len(inner)
    if left > start and not inner[0].isalnum() and _ONE_CHARACTER.fullmatch(text, left - 1, left + 1):
        left -= 1  # a mark that stands on the space before it
    return Span(left, right)


def between(text: str, span: Span, cuts: Iterable[int]) -> list[Span]:
    """The pieces of `span` between ascending cuts, each without space at its ends; blank ones are left out."""
    edges = [span.start, *cuts, span.end]
    pieces = (trimmed(text, start, end) for start, end in pairwise(edges) if start < end)
    return [piece for piece in pieces if piece]


def lines(text: str) -> Iterator[Span]:
    """The lines of a readable text, without their line ends."""
    start = 0
    for line in text.split("\n"):
        yield Span(start, start + len(line))
        start += len(line) + 1


def masked(text: str, hidden: Iterable[Span]) -> str:
    """The text, of the same length, with ascending disjoint spans blanked; line ends stay."""
    parts, at = [], 0
    for start, end in hidden:
        parts += [text[at:start], regex.sub(r"[^\n]", " ", text[start:end])]
        at = end
    return "".join([*parts, text[at:]])


def covering(script: str, spans: list[Span]) -> list[Span]:
    """Ascending spans, grown so that together they hold every non-space character: what lies between joins the next."""
    whole = trimmed(script, 0, len(script)) or Span(0, len(script))
    grown: list[Span] = []
    at = whole.start
    for span in spans:
        grown.append(trimmed(script, at, span.end) or span)
        at = span.end
    grown[-1] = Span(grown[-1].start, whole.end)
    return grown
