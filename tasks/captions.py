"""Captions in WebVTT from the scenes' descriptions. Pure.

Cues hold at most two lines of 42 columns, the broadcasters' habit (21 characters where each takes two columns), and
share their scene's time by the length of their text. Source of the format: https://www.w3.org/TR/webvtt1/.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Final

from tasks.wrapping import columns, wrap

LINE_COLUMNS: Final = 42
LINES: Final = 2
_ATTENTION: Final = 15  # columns' worth of time to notice a cue at all: keeps a last, short one on screen


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text and when it is shown, in milliseconds from the film's start."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown from `start` until `end`, in milliseconds from the film's start."""

    start: int
    end: int
    lines: tuple[str, ...]


def webvtt(scenes: Iterable[Spoken]) -> str:
    """The caption file of the scenes, which are in order and don't overlap."""
    blocks = [_block(cue) for scene in scenes for cue in cues(scene)]
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


def cues(scene: Spoken) -> Iterator[Cue]:
    """The scene's cues: in order, touching, never overlapping, all of its text in all of its time."""
    groups = _groups(wrap(scene.text, LINE_COLUMNS), scene.end - scene.start)
    times = _shares(scene.start, scene.end, [sum(columns(line) for line in group) for group in groups])
    for group, start, end in zip(groups, times, times[1:], strict=False):
        yield Cue(start, end, tuple(group))


def _groups(lines: Sequence[str], milliseconds: int) -> list[Sequence[str]]:
    if milliseconds <= 0:
        return []
    size = max(LINES, -(-len(lines) // milliseconds))  # more lines only where a cue would get no millisecond
    return [lines[at : at + size] for at in range(0, len(lines), size)]


def _shares(start: int, end: int, widths: Sequence[int]) -> list[int]:
    """Borders between `start` and `end` in proportion to the widths, each later than the one before."""
    weights = [width + _ATTENTION for width in widths]
    spare = end - start - len(weights)  # every cue has one millisecond for sure
    total = sum(weights)
    return [start, *(start + n + spare * done // total for n, done in enumerate(accumulate(weights), 1))]


def _block(cue: Cue) -> str:
    # `-->` may not stand in a cue's text; escaping the angle bracket sees to that as well.
    text = "\n".join(escape(line, quote=False) for line in cue.lines)
    return f"{_clock(cue.start)} --> {_clock(cue.end)}\n{text}"


def _clock(milliseconds: int) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{thousandths:03d}"
