"""What a database can keep and JSON can answer again: checked once, where a body comes in."""

import math
from typing import Final

MAX_DEPTH: Final = 60
"""Levels of nesting; serialisers give up at some hundreds."""


def fault_of(value: object, name: str = "The body") -> str | None:
    """Why this parsed JSON can't be kept, in one sentence; None when it can."""
    waiting: list[tuple[object, str, int]] = [(value, name, 0)]
    while waiting:
        part, place, depth = waiting.pop()
        if fault := _fault(part, depth):
            return f"{place} {fault}"
        if isinstance(part, dict):
            waiting += [(inner, place if depth else f"“{key}”", depth + 1) for key, inner in part.items()]
            waiting += [(key, "The name of a field", depth) for key in part]  # looked at first: they name the others
        elif isinstance(part, list):
            waiting += [(inner, place, depth + 1) for inner in part]
    return None


def _fault(part: object, depth: int) -> str | None:
    if isinstance(part, str):
        return text_fault(part)
    if isinstance(part, float) and not math.isfinite(part):
        return "holds a number that is too large or none at all."
    return f"is nested more than {MAX_DEPTH} levels deep." if depth > MAX_DEPTH else None


def text_fault(text: str) -> str | None:
    """Why this is not text that can be kept, as the end of a sentence; None when it is."""
    if "\0" in text:
        return "holds a NUL character, which is not text."
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "holds half of a character (a lone surrogate), which is not text."
    return None
