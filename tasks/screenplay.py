"""Reading screenplays in Fountain: sluglines are the author's cuts; notes, titles and transitions are not filmed."""

from typing import Final

import regex
from screenplay_tools.fountain.parser import Parser
from screenplay_tools.screenplay import ElementType

from tasks.reading import Place, Reading
from tasks.spans import Span, between, lines, masked, trimmed

LONGEST_SLUGLINE: Final = 120
_MOST_LINES: Final = 3_000
"""No screenplay within the script's limit has more; hostile text does."""

_FED: Final = 160
"""Characters of a line that the parser sees: its patterns are cubic in spaces and quadratic in brackets."""

_INTERIOR: Final = ("INNEN", "ИНТ", "ΕΣΩΤ", "内景", "內景")
_EXTERIOR: Final = ("AUSSEN", "AUẞEN", "AUßEN", "НАТ", "ЭКСТ", "ΕΞΩΤ", "外景")
_ABROAD: Final = regex.compile(
    rf"\s*(?:(?P<int>{'|'.join(_INTERIOR)})|(?P<ext>{'|'.join(_EXTERIOR)}))(?=[.\s/：:])[.：:]?"
)

_PREFIX: Final = r"(?:INT\.?/EXT|EXT\.?/INT|INT|EXT|EST|I/E)"
_CANDIDATE: Final = regex.compile(
    rf"(?im)^[ \t]*+(?:{_PREFIX}[.\s/]|\.[a-z0-9]|(?:{'|'.join(_INTERIOR + _EXTERIOR)})[.\s/：:])"
)
_SLUGLINE: Final = regex.compile(
    rf"(?i:{_PREFIX})\..*|{_PREFIX}(?=[\s/])[^\p{{Ll}}]*|\.(?=[^\p{{Ll}}]*\p{{Lu}})[^\p{{Ll}}]*", regex.S
)
_LEAD: Final = regex.compile(
    rf"(?i)^\s*+(?:\.(?=\w)|{_PREFIX}(?:\./\w+)?[.\s]|(?:{'|'.join(_INTERIOR + _EXTERIOR)})[.\s：:])\s*+"
)
_SCENE_NUMBER: Final = regex.compile(r"\s*#[\w\-.]{1,20}#\s*$")
_DASH: Final = regex.compile(r"\s+[-–—]+\s*")
_TITLE_KEYS: Final = {"title", "credit", "author", "authors", "source", "notes", "draft date", "date", "contact"}
_UNFILMED: Final = frozenset(
    (ElementType.TITLEENTRY, ElementType.SYNOPSIS, ElementType.PAGEBREAK, ElementType.TRANSITION)
)
_FADE_IN: Final = "FADE IN"
_FORCING: Final = regex.compile(r"(?m)^[ \t]{0,80}([!@~>]|\.(?=\w))|(<)[ \t]{0,80}$")


def read_screenplay(text: str) -> Reading | str:
    """The scenes of a readable text by its sluglines, or why it is no screenplay."""
    none = "No line is a slugline such as “INT. KITCHEN - DAY”."
    if not _CANDIDATE.search(text):
        return none
    text = masked(text, _asides(text))
    rows = [row for row in lines(text) if text[row.start : row.end].strip()]
    if len(rows) > _MOST_LINES:
        return "It has more lines than any screenplay of its length."
    kinds = _kinds(text)
    sluglines = [row for row in rows if kinds.get(row) is ElementType.HEADING and _is_slugline(text, row)]
    if not sluglines:
        return none
    text = masked(text, [row for row in rows if kinds.get(row) in _UNFILMED or _is_fade(text, row)])
    text = masked(text, [Span(*mark.span(mark.lastindex or 0)) for mark in _FORCING.finditer(text)])
    numbers = (_SCENE_NUMBER.search(text, *row) for row in sluglines)
    text = masked(text, [Span(*number.span()) for number in numbers if number])
    headings = [heading for row in sluglines if (heading := trimmed(text, *row))]
    places = tuple(Place(heading.start, " ".join(text[heading.start : heading.end].split())) for heading in headings)
    cuts = between(text, Span(0, len(text)), [place.at for place in places])
    return Reading(text, tuple(cuts), setting=_place(places[0].heading), places=places)


def _is_slugline(text: str, row: Span) -> bool:
    line = _international(text[row.start : row.end]).strip()
    return len(line) <= LONGEST_SLUGLINE and bool(_SLUGLINE.fullmatch(line))


def _is_fade(text: str, row: Span) -> bool:
    """The parser takes it for a heading or a title; it is no words to film."""
    return text[row.start : row.end].strip().upper().startswith(_FADE_IN)


def _kinds(text: str) -> dict[Span, ElementType]:
    """The parser's verdict on each line that begins an element."""
    parser = Parser()
    kinds: dict[Span, ElementType] = {}
    previous = Span(0, 0)
    for row in lines(text + "\n\n"):
        elements, titles = len(parser.script.elements), _titles(parser)
        parser.add_line(_fed(text[row.start : row.end]))
        for element in parser.script.elements[elements:]:
            # An unforced transition is only known by the line after it.
            late = element.type is ElementType.TRANSITION and not element.forced
            kinds[previous if late else row] = element.type
        if titles != _titles(parser) and parser.script.titleEntries[-1].key.casefold() in _TITLE_KEYS:
            kinds[row] = ElementType.TITLEENTRY
        previous = row
    return kinds


def _titles(parser: Parser) -> tuple[int, int]:
    entries = parser.script.titleEntries
    return len(entries), len(entries[-1].text_raw) if entries else 0


def _fed(line: str) -> str:
    """What the parser sees of a line: short, without runs of spaces, its asides already gone."""
    line = _international(line[: 2 * _FED])
    indent = "   " if line.startswith(("\t", "   ")) and line.strip() else ""
    return indent + " ".join(line.split())[:_FED].replace("/*", "").replace("[[", "")


def _international(line: str) -> str:
    return _ABROAD.sub(lambda found: "INT." if found["int"] else "EXT.", line, count=1)


def _asides(text: str) -> list[Span]:
    """Notes ([[…]]) and boneyards (/*…*/); what opens and never closes is no aside. Linear."""
    found: list[Span] = []
    at = 0
    marks = {"[[": "]]", "/*": "*/"}
    for opening in regex.finditer(r"\[\[|/\*", text):
        closer = marks.get(opening.group())
        if opening.start() < at or closer is None:
            continue
        end = text.find(closer, opening.end())
        if end < 0:
            del marks[opening.group()]
        else:
            at = end + 2
            found.append(Span(opening.start(), at))
    return found


def _place(heading: str) -> str:
    """“EXT. HARBOUR - DAWN” → “Harbour, dawn”."""
    place = _DASH.sub(", ", _LEAD.sub("", heading)).strip(" ,.-–—") or heading
    return place[:1].upper() + (place[1:].lower() if place.isupper() else place[1:])
