"""The words a person reads on a card, and the prompt Luma reads: those words, the film's setting and its style."""

from dataclasses import dataclass
from typing import Final

import regex

from tasks.options import MAX_PROMPT, VideoOptions
from tasks.reading import Reading
from tasks.sentences import graphemes, is_wrapped
from tasks.spans import Span, lines, readable
from tasks.styles import STYLES

LONGEST_SETTING: Final = 200
"""Characters of a setting that was read from the script."""

DEFAULT_SCENES: Final = (
    "First light over a quiet landscape; mist lifts from the fields and nothing moves yet.",
    "Someone steps into the light, looks around, and sets out along a narrow path.",
    "The path leads through a small town as it wakes: shutters open, bread is carried in, a dog follows.",
    "On a hill above the roofs the wanderer stops; wind goes through the grass, clouds run over the sun.",
    "Evening: the wanderer looks back at the lights below, smiles, and walks on until the picture is dark.",
)
"""What is filmed when the script holds nothing at all."""

_TITLE_END: Final = regex.compile(r"(?<=\w)(?=\n\p{Lu})")


def tidy(text: str, span: Span, *, keep_lines: bool = False) -> str:
    """The words of a span as they are read: one space between words, one line for each paragraph, or for each line."""
    rows: list[list[str]] = [[]]
    for start, end in lines(text[span.start : span.end]):
        words = text[span.start + start : span.start + end].split()
        if keep_lines or not words:
            rows.append(words)
        else:
            rows[-1] += words
    return "\n".join(" ".join(words) for words in rows if words)


@dataclass(frozen=True, slots=True)
class Look:
    """What all scenes of a film share."""

    style: str
    setting: str | None
    read: bool
    """Whether the setting was found in the script rather than chosen by a person."""

    def prompt(self, words: str) -> str:
        """What Luma gets for one scene: at most 5,000 characters, the words shortened when they must be."""
        # A setting from the opening binds people and places together; it must not move later scenes back there.
        label = "Same film, same people and places as in its opening" if self.read else "Setting"
        setting = f"\n\n{label}: {_sentence(self.setting)}" if self.setting else ""
        style = f"\n\nStyle: {STYLES[self.style]}."
        kept = shortened(words, MAX_PROMPT - len(setting + style))
        return kept + style if self.setting and self.setting in kept else kept + setting + style


def look_of(options: VideoOptions, reading: Reading | None = None, first: Span | None = None) -> Look:
    """The film's look: a setting chosen by a person, else the script's first place, else its opening, `first`."""
    chosen = " ".join(readable(options.setting or "").split())
    if chosen or reading is None or first is None:
        return Look(options.style, chosen or None, read=False)
    found = reading.setting or tidy(reading.text, first, keep_lines=not is_wrapped(reading.text))
    return Look(options.style, shortened(_TITLE_END.sub(".", found).replace("\n", " "), LONGEST_SETTING), read=True)


def shortened(words: str, most: int) -> str:
    """Words of at most `most` characters, cut after a sentence or at least a whole word, with … for the rest."""
    if len(words) <= most:
        return words
    kept = words[: most - 1]
    end = max(kept.rfind(stop) + 1 for stop in (". ", "! ", "? ", "。", "！", "？", "\n"))
    if end < most // 2:
        end = kept.rfind(" ")
    if end < most // 2:
        end = _last_grapheme(words, most - 1)
    return kept[:end].rstrip() + "…"


def _last_grapheme(words: str, most: int) -> int:
    """The last place up to `most` that tears no character apart, or `most` where one character is longer than all."""
    return max((start for start in graphemes(words) if 0 < start <= most), default=most)


def _sentence(setting: str) -> str:
    return setting if setting[-1] in ".!?…。！？।؟" else setting + "."
