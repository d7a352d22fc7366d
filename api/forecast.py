"""Who is next and how long it takes: pure, by the account's limits and by what generations took before.

Plays the gate forward: a slot that becomes free goes to the next job in turn, and a create waits for its minute.
"""

import heapq
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final
from uuid import UUID

from api.states import JobStatus
from tasks.luma.durations import ENOUGH, Kind, Took

PRIOR: Final = 45.0  # seconds a generation takes while there are no past ones to learn from
FILM_SECONDS: Final = 2.0  # to join the clips
MINUTE: Final = 60.0
MOST_STARTS: Final = 2000  # creates that are played; what comes after goes on at the same pace
_STEPS: Final = ((60.0, 5), (600.0, 15), (math.inf, 60))  # below so many seconds, told to so many


@dataclass(frozen=True, slots=True)
class LiveLine:
    """A live job as far as its time matters."""

    job_id: UUID
    status: JobStatus
    kind: Kind
    pending: int
    """Scenes that wait; before they are planned, as many as there may be."""
    ages: Sequence[float] = ()
    """Of its generations under way, seconds since each was submitted."""
    planned: bool = True
    begun: bool = False
    """Some scene has got beyond waiting."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The account's: generations at once and creates a minute (0: any number)."""

    at_once: int
    a_minute: int


@dataclass(frozen=True, slots=True)
class Typical:
    """What a generation takes, by kind."""

    kinds: Mapping[Kind, float] = field(default_factory=dict)
    other: float = PRIOR

    @classmethod
    def of(cls, past: Iterable[Took]) -> "Typical":
        """Medians; a kind with too few of its own takes what all take."""
        by_kind: dict[Kind, list[float]] = {}
        for took in past:
            by_kind.setdefault(took.kind, []).append(took.seconds)
        everything = [seconds for several in by_kind.values() for seconds in several]
        known = {kind: median(several) for kind, several in by_kind.items() if len(several) >= ENOUGH}
        return cls(known, median(everything) if len(everything) >= ENOUGH else PRIOR)

    def seconds(self, kind: Kind) -> float:
        """Of one generation."""
        return self.kinds.get(kind, self.other)


@dataclass(frozen=True, slots=True)
class Forecast:
    """A job's place among those that have not begun (1 is next), and seconds until its film."""

    place: int | None
    seconds: float


def forecast(
    lines: Sequence[LiveLine], limits: Limits, typical: Typical, created: Iterable[float] = ()
) -> dict[UUID, Forecast]:
    """Each job's, oldest job first in `lines`; `created`: seconds since each create of the last minute."""
    first, last = _play(lines, limits, typical, created)
    waiting = [line.job_id for line in sorted(lines, key=lambda line: first[line.job_id]) if _waits(line, first)]
    places = {job_id: place for place, job_id in enumerate(waiting, 1)}
    return {line.job_id: Forecast(places.get(line.job_id), last[line.job_id] + FILM_SECONDS) for line in lines}


def _waits(line: LiveLine, first: Mapping[UUID, float]) -> bool:
    """Whether it stands in line: one that is planned or sent at this moment doesn't."""
    if line.status is JobStatus.QUEUED:
        return True
    return line.status is JobStatus.PROCESSING and not line.begun and first[line.job_id] > 0


def _play(
    lines: Sequence[LiveLine], limits: Limits, typical: Typical, created: Iterable[float]
) -> tuple[dict[UUID, float], dict[UUID, float]]:
    """When each job's first waiting scene is sent and its last one ends, in seconds from now."""
    first = {line.job_id: 0.0 for line in lines}
    last = {
        line.job_id: max((_left(typical.seconds(line.kind), age) for age in line.ages), default=0.0) for line in lines
    }
    slots = [_left(typical.seconds(line.kind), age) for line in lines for age in line.ages]
    slots = sorted(slots + [0.0] * (limits.at_once - len(slots)))[-limits.at_once :]
    sent = deque(sorted(-age for age in created if age < MINUTE)[-limits.a_minute :], maxlen=limits.a_minute or 0)
    ring = deque((line, line.pending) for line in lines if line.pending and line.status is not JobStatus.CANCELLING)
    played, now = 0, 0.0
    while ring and played < MOST_STARTS:
        line, pending = ring.popleft()
        now = max(heapq.heappop(slots), sent[0] + MINUTE if limits.a_minute and len(sent) == limits.a_minute else 0.0)
        sent.append(now)
        played += 1
        ends = now + typical.seconds(line.kind)
        heapq.heappush(slots, ends)
        if pending == line.pending:
            first[line.job_id] = now
        last[line.job_id] = max(last[line.job_id], ends)
        if pending > 1:
            ring.append((line, pending - 1))
    pace, left = now / max(1, played), sum(pending for _, pending in ring)
    for turn, (line, pending) in enumerate(ring, 1):  # what is not played goes on at the same pace, in turns as well
        if pending == line.pending:
            first[line.job_id] = now + pace * turn
        last[line.job_id] = now + pace * min(left, pending * len(ring)) + typical.seconds(line.kind)
    return first, last


def _left(typical: float, age: float) -> float:
    """What a generation still takes: one that is late, a little more."""
    return max(typical - age, 0.1 * max(age, typical))


def told(seconds: float) -> int:
    """Rounded up to what can honestly be said, so that a poll a second later mostly learns nothing new."""
    step = next(step for below, step in _STEPS if seconds < below)
    return max(step, math.ceil(seconds / step) * step)
