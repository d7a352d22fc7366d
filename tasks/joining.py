"""Joining clips and title cards to one MP4 (PyAV). All of it blocks: for use in a thread.

An MP4 that plays everywhere has one H.264 sample entry, so one set of parameters. Where all clips were made with the
same ones, their packets are copied, untouched. Otherwise, and when a title card stands among them, everything is
encoded anew: no encoder of ours could make a card that carries the parameters of a foreign one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av
from av.container import OutputContainer

from tasks.files import MediaError, explained
from tasks.film_plan import Part, Plan
from tasks.picture import Copied, Encoded
from tasks.soundtrack import Soundtrack

if TYPE_CHECKING:  # a name of PyAV's stubs only
    from av.container.core import Chapter

_PER_FRAME: Final = 64  # bytes: more than the index of an MP4 takes for a frame of picture or sound
_PER_CHAPTER: Final = 1024  # bytes, likewise
_SOUND_FRAMES: Final = Fraction(48_000, 1024)  # a second


def join(
    target: Path,
    parts: Sequence[Part],
    made: Plan,
    *,
    metadata: Mapping[str, str],
    chapters: Sequence[str],
    progress: Callable[[float], None],
) -> None:
    """Write the film to `target`. `progress` gets the share done, 0 to 1, often; what it raises ends the work."""
    try:
        with explained("written", "The film"), _opened(target, made, chapters) as film:
            film.metadata.update(metadata)
            film.set_chapters(list(_chapters(made.borders, chapters)))
            _fill(film, parts, made, progress)
    except av.FFmpegError as error:
        raise MediaError("The clips can't be joined to a film.") from error


def _opened(target: Path, made: Plan, chapters: Sequence[str]) -> OutputContainer:
    """An MP4 with room for its index before the picture, so that it plays while it still downloads.

    FFmpeg's `faststart` would write everything a second time to make that room, and PyAV keeps the interpreter's lock
    for as long: the event loop would stand still.
    """
    seconds = made.borders[-1]
    frames = made.frames + (seconds * _SOUND_FRAMES if made.sound else 0)
    room = 32_768 + int(frames) * _PER_FRAME + len(chapters) * _PER_CHAPTER
    return av.open(str(target), "w", format="mp4", options={"moov_size": str(room), "fflags": "+bitexact"})


def _fill(film: OutputContainer, parts: Sequence[Part], made: Plan, progress: Callable[[float], None]) -> None:
    picture = Copied(film, parts[0]) if made.copy else Encoded(film, made)
    sound = Soundtrack(film) if made.sound else None
    for at, part in enumerate(parts):
        for done in picture.add(part, made.borders[at], made.borders[at + 1]):
            progress((at + done) / len(parts))
        if sound:
            sound.add(part.source if part.info and part.info.has_audio else None, made.borders[at + 1])
    picture.finish()
    if sound:
        sound.finish()


def _chapters(borders: Sequence[Fraction], titles: Sequence[str]) -> "Iterator[Chapter]":
    base = Fraction(1, 1000)
    for at, title in enumerate(titles):
        start, end = (round(border / base) for border in borders[at : at + 2])
        yield {"id": at, "start": start, "end": end, "time_base": base, "metadata": {"title": title}}
