"""What generations took, and when one is therefore worth a look: pure."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import quantiles
from typing import Any, Final, Self

KEPT: Final = 50  # newest durations of a kind
ENOUGH: Final = 3  # to say something about a kind


@dataclass(frozen=True, slots=True)
class Kind:
    """What a generation's time depends on."""

    model: str
    resolution: str
    duration: str

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Self:
        """Of a request to Luma, or of a job's options."""
        return cls(*(str(asked.get(part, "")) for part in ("model", "resolution", "duration")))


@dataclass(frozen=True, slots=True)
class Took:
    """One past generation."""

    kind: Kind
    seconds: float
    age: float = 0.0
    """Seconds since it was submitted."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to look at one generation, by its age in seconds."""

    first: float
    share: float
    """Of its age, between looks: so much later than it might is it noticed at most."""
    least: float
    most: float

    def begin(self, age: float) -> float:
        """The age at the first look."""
        return max(self.first, age)

    def then(self, age: float) -> float:
        """The age at the look after the one at `age`."""
        return age + min(max(age * self.share, self.least), self.most)


UNTOLD: Final = Schedule(first=3, share=0.03, least=0.5, most=15)
"""Without callbacks and without experience."""
UNTOLD_CALLED: Final = Schedule(first=10, share=0.1, least=2, most=30)
"""With callbacks, of which some are lost."""


class Durations:
    """The newest durations of each kind."""

    def __init__(self) -> None:
        self._took: defaultdict[Kind, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))

    def learn(self, past: Iterable[Took]) -> None:
        """Know these instead, newest first."""
        self._took.clear()
        for took in past:
            if len(self._took[took.kind]) < KEPT:
                self._took[took.kind].append(took.seconds)

    def schedule(self, kind: Kind, *, called: bool) -> Schedule:
        """When to look at one of a kind; `called`: a callback is to come, and looks are for those that are lost."""
        untold = UNTOLD_CALLED if called else UNTOLD
        took = self._took.get(kind, ())
        if len(took) < ENOUGH:
            return untold
        tenths = quantiles(took, n=10, method="inclusive")
        first = max(untold.least, 1.2 * tenths[8] + untold.least if called else 0.8 * tenths[0])
        return Schedule(first, untold.share, untold.least, untold.most)
