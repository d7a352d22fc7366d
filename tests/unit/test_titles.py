"""Titles of scripts that came without one."""

import pytest

from api.records.ledger import title_of


@pytest.mark.parametrize(
    ("script", "title"),
    [
        ("The keeper climbs.\nThe lamp is dark.", "The keeper climbs."),
        ("\n\n   A tram.  \n", "A tram."),
        ("Title: The Last Tram\nCredit: written by\n\nEXT. TERMINUS - NIGHT", "The Last Tram"),
        ("TITLE:\n    _**The Last Tram**_\nAuthor: me", "The Last Tram"),
        ("# The cloud factory\n\nEvery morning", "The cloud factory"),
        ("#hashtag dreams", "#hashtag dreams"),
        ("* * *\n\nIn the fog", "In the fog"),
        ("INT. KITCHEN - DAY\n\nA pot boils.", "INT. KITCHEN - DAY"),
        ("", "Untitled"),
        (" \n\t\n", "Untitled"),
        ("word " * 40, "word " * 11 + "word…"),
        ("灯" * 100, "灯" * 60 + "…"),
    ],
)
def test_a_title_is_the_one_in_the_script_or_its_first_words(script: str, title: str) -> None:
    assert title_of(script) == title
