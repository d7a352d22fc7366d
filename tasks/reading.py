"""What a reader makes of a script: where its author cut it, what of it is to be filmed, where it plays."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from tasks.spans import Span


class Place(NamedTuple):
    """A heading that says where the words after `at` play."""

    at: int
    heading: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A script as its author cut it."""

    text: str
    """Of the script's length; what isn't to be filmed (labels, notes, transitions) is blank."""
    cuts: tuple[Span, ...]
    """Ascending, disjoint, at least one, none of them blank."""
    by_author: bool = True
    """Whether the cuts are the author's own, or only what there is to be cut."""
    setting: str | None = None
    places: tuple[Place, ...] = ()

    def heading_before(self, piece: Span) -> str | None:
        """The heading in force where a piece begins, unless the piece begins with it."""
        index = bisect_right(self.places, piece.start, key=lambda place: place.at) - 1
        if index < 0 or self.places[index].at == piece.start:
            return None
        return self.places[index].heading
