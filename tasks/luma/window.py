"""At most so many creates in any minute, as Luma counts them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 60.0  # seconds
UNANSWERED: Final = 1.0  # seconds a create may take to reach Luma, while we don't know when it did
SKEW: Final = 0.25  # seconds between Luma's clock ticks and ours


@dataclass(eq=False, slots=True)
class Place:
    """One create's share of the window, until a moment of the loop's clock in seconds."""

    until: float


class SlidingWindow:
    """Places for `limit` creates in any WINDOW seconds; None: any number.

    Luma counts a create at some moment between its leaving here and its answer's arriving here, so a place is kept for
    a window from the answer where that is known, and from the start and a bit more where it isn't.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._places: list[Place] = []

    def used(self, now: float) -> int:
        """Creates that count at this moment."""
        self._places = [place for place in self._places if place.until > now]
        return len(self._places)

    def free_at(self, now: float) -> float:
        """The moment from which one more create is allowed; `now` when it is already, infinity when none is."""
        if self.limit is None or (used := self.used(now)) < self.limit:
            return now
        if not self.limit:
            return math.inf
        return sorted(place.until for place in self._places)[used - self.limit]

    def take(self, now: float) -> Place:
        """A place for a create that starts now."""
        place = Place(now + WINDOW + UNANSWERED)
        if self.limit is not None:
            self._places.append(place)
        return place

    def recall(self, now: float, ages: Iterable[float]) -> None:
        """Creates that went out before this window was kept, so many seconds ago."""
        self._places += [Place(now - age + WINDOW + UNANSWERED) for age in ages]

    def answered(self, place: Place, now: float) -> None:
        """The create's answer is here: Luma counted it no later than now."""
        place.until = now + WINDOW + SKEW

    def give_back(self, place: Place) -> None:
        """No create was sent."""
        if place in self._places:
            self._places.remove(place)
