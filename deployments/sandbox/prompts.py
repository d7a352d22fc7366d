"""What a prompt is about, apart from what it says of the whole film."""

import re
from typing import Final

_LABELLED: Final = re.compile(r"[A-Z][a-z][a-z ,]{0,80}: ")


def subject(prompt: str) -> str:
    """The scene's own words: the prompt without the labelled paragraphs at its end ("Setting: …", "Style: …").

    Those are the same in every prompt of a film, so that a marker in a film's opening would strike all of its scenes.
    """
    paragraphs = prompt.split("\n\n")
    while len(paragraphs) > 1 and _LABELLED.match(paragraphs[-1]):
        paragraphs.pop()
    return "\n\n".join(paragraphs)
