"""Reading plain prose: paragraphs are the author's cuts; one alone is cut at its sentences."""

from tasks.cutting import Cutter
from tasks.reading import Reading
from tasks.sentences import paragraphs
from tasks.spans import trimmed


def read_paragraphs(text: str) -> Reading | str:
    """Every paragraph of a readable text is a cut of its author's, when there are several."""
    found = paragraphs(text)
    if len(found) < 2:
        return "It is a single paragraph." if found else "It is empty."
    return Reading(text, tuple(piece for piece in (trimmed(text, *span) for span in found) if piece))


def read_sentences(text: str, cutter: Cutter) -> Reading | str:
    """A single paragraph as a whole, when it has several sentences or fits into one clip."""
    whole = trimmed(text, 0, len(text))
    if not whole:
        return "It has no sentences."
    if cutter.is_long(whole) and len(cutter.sentences(whole)) < 2:
        return "It is a single sentence, too long for one scene."
    return Reading(text, (whole,), by_author=False)


def read_characters(text: str) -> Reading | str:
    """Anything at all that can be seen."""
    whole = trimmed(text, 0, len(text))
    return Reading(text, (whole,), by_author=False) if whole else "It has no characters."
