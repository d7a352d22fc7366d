"""The natural joints of a text, from coarse to fine: paragraphs, sentences, clauses, words, characters.

Every function gives ascending places where the text may be cut, each at the first letter of what follows.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import regex
import sentencex

from tasks.quotations import CLOSING
from tasks.spans import Span, lines
from tasks.speech import EAST_ASIAN, SOUTHEAST_ASIAN

WINDOW: Final = 1_000
"""Characters given to the segmenter at once (2,000 at most): open quotations cost it the square of this."""

NARROWEST_MARGIN: Final = 45
"""Characters; shorter lines were ended on purpose."""

LONGEST_WORD: Final = 100
"""Letters; a longer unbroken run is taken apart when it has to be."""

_SCRIPTS: Final[dict[str, str]] = {
    r"[\p{Hiragana}\p{Katakana}]": "ja",
    r"\p{Han}": "zh",
    r"\p{Hangul}": "ko",
    r"\p{Arabic}": "ar",
    r"\p{Hebrew}": "he",
    r"\p{Greek}": "el",
    r"\p{Cyrillic}": "ru",
    r"\p{Devanagari}": "hi",
    r"\p{Bengali}": "bn",
    r"\p{Tamil}": "ta",
    r"\p{Thai}": "th",
    r"\p{Myanmar}": "my",
    r"\p{Armenian}": "hy",
    r"\p{Ethiopic}": "am",
}
"""A letter of the script → the language whose abbreviations and stops are assumed."""

_LATIN: Final[dict[str, str]] = {
    "en": "the and of to was is he she it his her with",
    "de": "der die das und ist nicht ein eine den dem sie er mit war",
    "fr": "le la les et est une dans il elle des du qui pas",
    "es": "el la los las y es una que en del con por su",
    "it": "il lo la gli e è una che di del della con per non",
    "pt": "o a os as e é uma que em do da com não ao",
    "nl": "de het een en is van niet dat zij hij met was",
    "pl": "i w na się nie jest to z do że była był",
    "sv": "och att det som en på är inte han hon med var",
}
"""Languages of the Latin script → words that hardly a sentence of theirs does without."""

_STOP_WITHOUT_SPLIT: Final = regex.compile(r"[។៕།༎]+\s*|(?<=…)(?=[\p{Han}\p{Hiragana}\p{Katakana}])")
_INITIAL: Final = regex.compile(r"(?:^|[\s.(\p{Pi}\p{Ps}])\p{L}\.\s*\Z")
_ENUMERATOR: Final = regex.compile(r"\W*(?:\d{1,3}|\p{L})[.)]\s*")
_TELLER: Final = regex.compile(rf"[{EAST_ASIAN}]{{0,4}}[说說道问問喊叫答とっ]")
_CLAUSE: Final = regex.compile(
    rf"(?<=[,;:،؛·—–…!?.])\s+|\n"
    rf"|(?<=[、，；：。！？])(?![\p{{Pe}}\p{{Pf}}\p{{Po}}])|(?<=[{SOUTHEAST_ASIAN}])\s+"
)
GRAPHEME: Final = r"(?:\p{Regional_Indicator}{2}[\p{Grapheme_Cluster_Break=Extend}\p{Mc}\u200d]*+|\X)"
"""A user-perceived character (UAX #29). Flags come first: `\\X` alone looks back over a row of them each time."""

_GRAPHEME: Final = regex.compile(GRAPHEME)
_SPACE: Final = regex.compile(r"\s+")
_PIECE: Final = regex.compile(
    rf"[\p{{Ps}}\p{{Pi}}]{{0,8}}+(?:\s?+[^\W{EAST_ASIAN}{SOUTHEAST_ASIAN}]{{1,{LONGEST_WORD}}}+|[\p{{Katakana}}ー]{{1,20}}+"
    rf"|{GRAPHEME})[\p{{Pe}}\p{{Pf}}\p{{Po}}\p{{M}}\u200d]{{0,8}}+"
)
_ENDING: Final = regex.compile(rf"(?:[.!?…。！？।؟۔။។։።][\p{{Pe}}\p{{Pf}}\"'*_]*|[{SOUTHEAST_ASIAN}])\s*\Z")


def paragraphs(text: str) -> list[Span]:
    """Blocks between blank lines; without blank lines the lines themselves, when they end like sentences."""
    blocks: list[Span] = []
    for line in lines(text):
        if not text[line.start : line.end].strip():
            blocks.append(Span(line.end, line.end))
        elif blocks and blocks[-1].end > blocks[-1].start:
            blocks[-1] = Span(blocks[-1].start, line.end)
        else:
            blocks.append(line)
    blocks = [block for block in blocks if block.end > block.start]
    if len(blocks) == 1:
        rows = [line for line in lines(text) if text[line.start : line.end].strip()]
        # The last line ends like one in any case.
        if 2 * sum(_stands_alone(text[row.start : row.end]) for row in rows[:-1]) > len(rows) - 1:
            return rows
    return blocks


def _stands_alone(line: str) -> bool:
    """Whether a line ends as a paragraph does; scripts without stops are not wrapped by hand, so theirs all do."""
    return bool(_ENDING.search(line[-40:]))


def is_wrapped(text: str) -> bool:
    """Whether lines were broken by hand at a margin, in mid-sentence, so that their ends mean nothing."""
    rows = [text[row.start : row.end].strip() for row in lines(text)]
    broken = [row for row, following in pairwise(rows) if row and following]
    return 2 * sum(len(row) >= NARROWEST_MARGIN and not _stands_alone(row) for row in broken) > len(broken)


def language(text: str) -> str:
    """A rough guess from the letters, and for Latin ones from the commonest words, at the start of the text."""
    sample = text[:WINDOW]
    counts = {code: len(regex.findall(letter, sample)) for letter, code in _SCRIPTS.items()}
    code, most = max(counts.items(), key=lambda pair: pair[1])
    if counts["ja"] and code == "zh":
        code = "ja"
    if most > len(regex.findall(r"\p{Latin}", sample)):
        return code
    words = sample.casefold().split()
    return max(_LATIN, key=lambda name: sum(map(frozenset(_LATIN[name].split()).__contains__, words)))


def sentence_cuts(text: str, span: Span, code: str) -> list[int]:
    """Where sentences begin within one paragraph."""
    cuts = []
    for start, end in pairwise([*_segments(text, span, code), span.end]):
        cuts += [m.end() for m in _STOP_WITHOUT_SPLIT.finditer(text, start, end) if m.end() < end]
        if end < span.end and _may_end(text, start, end):
            cuts.append(end)
    return cuts


def _segments(text: str, span: Span, code: str) -> Iterator[int]:
    """The starts of the segmenter's sentences, window by window: a window's last sentence opens the next window."""
    start = span.start
    yield start
    while start < span.end:
        end = min(start + WINDOW, span.end)
        parts: list[str] = sentencex.segment(code, text[start:end]) or [text[start:end]]
        if end < span.end and len(parts) == 1:
            start = end
            continue
        for part in parts[:-1] if end < span.end else parts:
            start += len(part)
            if start < span.end:
                yield start


def _may_end(text: str, start: int, end: int) -> bool:
    """Whether a sentence ends here after all: not after an initial or a bare number, nor before who said it."""
    before, after = text[start:end][-80:], text[end : end + 8]
    if _INITIAL.search(before) or _ENUMERATOR.fullmatch(text, start, end):
        return False
    closed = before.rstrip()[-1:] in CLOSING
    return not (closed and (after.lstrip("—–- ")[:1].islower() or _TELLER.match(after)))


def clause_cuts(text: str, span: Span) -> list[int]:
    """After commas, colons, dashes and line ends; in Thai, Lao, Khmer and Burmese after the spaces between phrases."""
    found = _CLAUSE.finditer(text, span.start, span.end)
    ends = (m.end() for m in found if m.end() < span.end)
    return [end for end in ends if not (text[end - 1] == "\n" and follows_cue(text, end))]


_CUE: Final = regex.compile(r"[^\p{Ll}\n]{0,120}[\p{Lu})][^\p{Ll}\n.!?…]{0,20}(?:\([^\n()]{0,40}\)\s*)?")


def follows_cue(text: str, at: int) -> bool:
    """Whether the line before is a heading or a speaker in capitals: never to be parted from what comes under it."""
    before = text[max(0, at - 200) : at].rstrip()
    return bool(_CUE.fullmatch(before, before.rfind("\n") + 1))


def word_cuts(text: str, span: Span) -> list[int]:
    """After spaces."""
    return [m.end() for m in _SPACE.finditer(text, span.start, span.end) if m.end() < span.end]


def character_cuts(text: str, span: Span) -> list[int]:
    """Between the characters of scripts without spaces, and in unbroken runs; words and closing marks stay whole."""
    return [m.end() for m in _PIECE.finditer(text, span.start, span.end) if m.end() < span.end]


def graphemes(text: str) -> frozenset[int]:
    """Where user-perceived characters begin (UAX #29): a cut elsewhere would tear one apart."""
    return frozenset(m.start() for m in _GRAPHEME.finditer(text))
