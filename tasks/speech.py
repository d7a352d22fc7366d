"""How long words take to speak: the measure by which a script is cut into clips."""

from itertools import chain, pairwise
from typing import Final

import regex

from tasks.spans import Span

WORDS_PER_SECOND: Final = 2.6
"""An unhurried narrator: 156 words a minute."""

CHARACTERS_PER_SECOND: Final[dict[str, float]] = {
    "japanese": 5.0,
    "chinese": 4.25,
    "southeast": 12.5,
}
"""Scripts without spaces, read aloud at the narrator's pace.

Japanese: the 300 characters a minute that broadcasters train for. Chinese: 255 characters a minute; Thai, Lao, Khmer
and Burmese: 68 ms a letter at 184 words a minute, slowed to 156 (Trauzettel-Klosinski & Dietz, "Standardized
Assessment of Reading Performance", IOVS 53(9), 2012, doi:10.1167/iovs.11-8284).
"""

LETTERS_PER_WORD: Final = 12
"""A run of more letters than this takes the time of several words: it may be an address, or no words at all."""

EAST_ASIAN: Final = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
SOUTHEAST_ASIAN: Final = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
UNSPACED: Final = EAST_ASIAN + SOUTHEAST_ASIAN
_TOKEN: Final = regex.compile(rf"(?P<east>[{EAST_ASIAN}]+)|(?P<southeast>[{SOUTHEAST_ASIAN}]+)|[^\s{UNSPACED}]+")
_KANA: Final = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_SPOKEN: Final = regex.compile(r"\w")


class SpokenTime:
    """Milliseconds that any stretch of a text takes to speak; made once in linear time, then asked in constant time."""

    def __init__(self, text: str) -> None:
        east = "japanese" if _KANA.search(text) else "chinese"
        self._at = [0] * (len(text) + 1)
        elapsed = 0
        ends = chain(_TOKEN.finditer(text), (None,))
        for token, following in pairwise(ends):
            assert token is not None  # noqa: S101  only the last of the chain is None
            start, end = token.span()
            cost = _milliseconds(token, east)
            for offset in range(1, end - start + 1):
                self._at[start + offset] = elapsed + cost * offset // (end - start)
            elapsed += cost
            until = following.start() if following else len(text)
            self._at[end : until + 1] = [elapsed] * (until + 1 - end)

    def __call__(self, span: Span) -> int:
        """Milliseconds of one span."""
        return self._at[span.end] - self._at[span.start]


def _milliseconds(token: "regex.Match[str]", east: str) -> int:
    length = token.end() - token.start()
    if token["east"]:
        return round(1000 * length / CHARACTERS_PER_SECOND[east])
    if token["southeast"]:
        return round(1000 * length / CHARACTERS_PER_SECOND["southeast"])
    words = max(1 if _SPOKEN.search(token.group()) else 0, length // LETTERS_PER_WORD)
    return round(1000 * words / WORDS_PER_SECOND)
