"""Reading scripts whose author marked the scenes: “Scene 3:”, headings, rules such as * * *, numbered lines."""

from typing import Final

import regex

from tasks.reading import Reading
from tasks.spans import Span, between, masked

_WORDS: Final = (
    "scene|shot|clip|part|act|chapter|szene|kapitel|akt|teil|scène|chapitre|acte|partie|escena|capítulo|acto|parte|cena|ato|"
    "scena|capitolo|atto|scen|kohtaus|sahne|bölüm|adegan|cảnh|сцена|глава|кадр|часть|σκηνή|κεφάλαιο|مشهد|المشهد|الفصل|"
    "סצנה|תמונה|פרק|दृश्य|भाग|シーン|場面|场景|場景|镜头|장면|씬|ฉาก|ฉากที่"
)
_NUMBERS: Final = (
    r"\d{1,3}[a-z]?|[ivx]{1,6}|[一二三四五六七八九十百]{1,4}|one|two|three|four|five|six|seven|eight|nine|ten|"
    "eins|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|un|deux|trois|quatre|cinq|sept|huit|neuf|dix|"
    "uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez"
)
_NUMBERED_WORD: Final = (
    rf"(?:(?:{_WORDS})[ \t]{{0,3}}(?:no\.|nr\.|[#№])?[ \t]{{0,3}}(?:{_NUMBERS})"
    rf"|第[ \t]?(?:{_NUMBERS})[ \t]?(?:场|場|幕|景|章|节|節|回|部分|镜)"
    r"|제?[ \t]?\d{1,3}[ \t]?(?:장|막|씬))"
)
_LABEL: Final = regex.compile(
    rf"(?im)^[ \t]{{0,8}}[#*_>\[(【「]{{0,6}}[ \t]?{_NUMBERED_WORD}(?!\w)[\])】」*_]{{0,4}}[ \t]{{0,3}}"
    r"(?:[:：.．)\-–—|、][*_]{0,3}[ \t]{0,3}|$)"
    rf"|(?<=[.!?…。！？।؟”\"»」)][ \t\n]{{0,3}}){_NUMBERED_WORD}[ \t]?[:：]"
)
_EMPHASIS: Final = regex.compile(r"[*_]{2,3}(?=\S)|(?<=\S)[*_]{2,3}")
_HEADING: Final = regex.compile(r"(?m)^[ \t]{0,3}#{1,6}[ \t]+(?=\S)")
_RULE: Final = regex.compile(r"(?m)^[ \t]{0,16}(?:(?:[*_\-=~•·—–][ \t]?){3,80}+|[⁂❦#])[ \t]{0,16}$")
_ITEM: Final = regex.compile(r"(?m)^[ \t]{0,8}(\d{1,3})[.)、:：．][ \t]{0,4}(?=\S)")


def read_markers(text: str) -> Reading | str:
    """The scenes of a readable text by its author's marks, or why there are none."""
    for marks, fewest in (
        (_spans(_LABEL, text), 2),
        (_spans(_HEADING, text), 2),
        (_spans(_RULE, text), 1),
        (_items(text), 2),
    ):
        unmarked = masked(text, marks)
        unmarked = masked(unmarked, _spans(_EMPHASIS, unmarked))
        cuts = between(unmarked, Span(0, len(text)), [mark.start for mark in marks])
        if len(marks) >= fewest and len(cuts) >= 2:
            return Reading(unmarked, tuple(cuts))
    return "Its scenes are not marked, as in “Scene 3:”."


def _spans(pattern: "regex.Pattern[str]", text: str) -> list[Span]:
    return [Span(*found.span()) for found in pattern.finditer(text)]


def _items(text: str) -> list[Span]:
    """Numbered lines, when they count from one without a gap."""
    found = list(_ITEM.finditer(text))
    counted = [int(item[1]) for item in found] == list(range(1, len(found) + 1))
    return [Span(*item.span()) for item in found] if counted else []
