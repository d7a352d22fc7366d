"""Where a text quotes somebody: spans that no cut may fall into while they fit into one scene."""

from typing import Final

from tasks.spans import Span

_CLOSERS: Final[dict[str, str]] = {
    '"': '"',
    "“": "”",
    "„": "“”",
    "‟": "”",
    "”": "”",
    "«": "»",
    "»": "«»",
    "‹": "›",
    "›": "‹›",
    "‘": "’",
    "‚": "‘’",
    "「": "」",
    "『": "』",
    "《": "》",
    "〈": "〉",
    "＂": "＂",
    "〝": "〟",
}
"""Opening mark → the marks that may close it; some languages open with what others close with."""

_EITHER_WAY: Final = frozenset('"”»›‘＂')
"""Marks that open only at the start of a word."""

CLOSING: Final = frozenset("".join(_CLOSERS.values()))
_MARKS: Final = frozenset(_CLOSERS) | CLOSING
_DEEPEST: Final = 8
"""Quotations within quotations beyond this depth are not followed, so that hostile text costs linear time."""


def quotations(text: str) -> list[Span]:
    """All closed quotations, inner and outer, marks included; an open one ends without effect at a blank line."""
    found: list[Span] = []
    open_marks: list[tuple[str, int]] = []
    for at, mark in enumerate(text):
        if mark == "\n" and text[at + 1 : at + 2] in ("\n", ""):
            open_marks.clear()
        if mark not in _MARKS:
            continue
        depth = _closed_by(text, at, open_marks)
        if depth is not None:
            found.append(Span(open_marks[depth][1], at + 1))
            del open_marks[depth:]
        elif _opens(text, at) and len(open_marks) < _DEEPEST:
            open_marks.append((_CLOSERS[mark], at))
    return found


def _closed_by(text: str, at: int, open_marks: list[tuple[str, int]]) -> int | None:
    """Which of the open quotations the mark closes, innermost first; an apostrophe closes none."""
    if text[at] == "’" and text[at + 1 : at + 2].isalnum():
        return None
    return next((i for i in range(len(open_marks) - 1, -1, -1) if text[at] in open_marks[i][0]), None)


def _opens(text: str, at: int) -> bool:
    if text[at] not in _CLOSERS:
        return False
    return text[at] not in _EITHER_WAY or at == 0 or not text[at - 1].isalnum()
