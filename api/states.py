"""The states of a job and of its scenes, who may leave which, and what they look like from outside: pure data."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

from tasks.ledger import AttemptState


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """How well a job ended."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


class SceneStatus(StrEnum):
    """Where a scene's present take stands."""

    PENDING = "pending"
    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"


class Move(StrEnum):
    """What may happen to a job; who causes it stands in `MOVES`."""

    BEGIN = "begin"
    CANCEL = "cancel"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCELLED = "cancelled"
    REQUEUE = "requeue"
    RESTART = "restart"


_S = JobStatus
TERMINAL: Final = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED})
LIVE: Final = frozenset(_S) - TERMINAL

MOVES: Final[dict[Move, tuple[frozenset[JobStatus], JobStatus]]] = {
    # the flow, once its run starts (again: a crashed run is picked up under the same id)
    Move.BEGIN: (frozenset({_S.QUEUED, _S.PROCESSING}), _S.PROCESSING),
    # a person: API, Prefect UI, terminal
    Move.CANCEL: (frozenset({_S.QUEUED, _S.PROCESSING, _S.CANCELLING}), _S.CANCELLING),
    # the flow, with a film
    Move.COMPLETE: (frozenset({_S.PROCESSING}), _S.COMPLETED),
    # the flow, or reconciling when Prefect gave the run up
    Move.FAIL: (frozenset({_S.QUEUED, _S.PROCESSING}), _S.FAILED),
    # the flow, or reconciling when Prefect cancelled the run
    Move.CANCELLED: (LIVE, _S.CANCELLED),
    # reconciling, when Prefect gave a run up that had not failed of itself
    Move.REQUEUE: (frozenset({_S.QUEUED, _S.PROCESSING}), _S.QUEUED),
    # a person asks for a retry or another take; an operator retries the run in Prefect
    Move.RESTART: (TERMINAL, _S.QUEUED),
}


def allowed(move: Move, status: JobStatus) -> bool:
    """Whether a job in this status may make this move."""
    return status in MOVES[move][0]


_A = AttemptState
ATTEMPT_MOVES: Final[dict[AttemptState, frozenset[AttemptState]]] = {
    # next state: those it may follow; who wrote the POST knows best, so a late answer corrects what others made of it
    _A.DOUBTED: frozenset({_A.INTENDED}),
    _A.SUBMITTED: frozenset({_A.INTENDED, _A.DOUBTED}),
    _A.REFUSED: frozenset({_A.INTENDED, _A.DOUBTED, _A.LOST, _A.UNKNOWN}),
    _A.LOST: frozenset({_A.INTENDED, _A.DOUBTED}),
    _A.UNKNOWN: frozenset({_A.INTENDED, _A.DOUBTED, _A.LOST}),
    _A.FAILED: frozenset({_A.SUBMITTED, _A.ABANDONED}),
    _A.COMPLETED: frozenset({_A.SUBMITTED, _A.ABANDONED, _A.FAILED}),
    # another take replaced it, or its id came when nobody waited for it any more
    _A.ABANDONED: frozenset({_A.SUBMITTED, _A.REFUSED, _A.LOST, _A.UNKNOWN}),
}
SPENT: Final = frozenset({_A.SUBMITTED, _A.COMPLETED, _A.FAILED, _A.ABANDONED})
"""Luma gave an id: it is paid, unless refunded."""
UNSURE: Final = frozenset({_A.DOUBTED, _A.UNKNOWN})
"""May have cost. So may an intent, once nobody is working on it any more."""


def may_have_cost(attempt: AttemptState, job: JobStatus) -> bool:
    """Whether money may be gone for an attempt without an id."""
    return attempt in UNSURE or (attempt is _A.INTENDED and job in TERMINAL)


def counts(scenes: Iterable[SceneStatus]) -> dict[SceneStatus, int]:
    """How many scenes stand where; every status is a key."""
    counted = Counter(scenes)
    return {status: counted[status] for status in SceneStatus}


PLANNED_AT: Final = 5  # percent once the storyboard stands
SCENES_UNTIL: Final = 90  # percent when every scene has ended
_WEIGHT: Final = {
    SceneStatus.PENDING: 0.0,
    SceneStatus.GENERATING: 0.25,
    SceneStatus.COMPLETED: 1.0,
    SceneStatus.FAILED: 1.0,
}


def progress(status: JobStatus, scenes: Sequence[SceneStatus]) -> int:
    """Percent, 0–100, as these states alone say; the ledger keeps it from falling within a run."""
    if status is JobStatus.COMPLETED:
        return 100
    if not scenes:
        return 0 if status is JobStatus.QUEUED else 1
    share = sum(_WEIGHT[scene] for scene in scenes) / len(scenes)
    return int(PLANNED_AT + (SCENES_UNTIL - PLANNED_AT) * share)


def step(status: JobStatus, scenes: Sequence[SceneStatus]) -> str:
    """What the job is doing, in the old studio's words."""
    if status is not JobStatus.PROCESSING:
        return _STEPS[status]
    if not scenes:
        return "Creating storyboard..."
    ended = sum(scene in (SceneStatus.COMPLETED, SceneStatus.FAILED) for scene in scenes)
    if ended == len(scenes):
        return "Assembling film..."
    return f"Generating scene {ended + 1}/{len(scenes)}..."


_STEPS: Final = {
    JobStatus.QUEUED: "Waiting to start...",
    JobStatus.CANCELLING: "Cancelling...",
    JobStatus.COMPLETED: "Film ready",
    JobStatus.FAILED: "Failed",
    JobStatus.CANCELLED: "Cancelled",
}


def outcome(status: JobStatus, scenes: Sequence[SceneStatus]) -> Outcome | None:
    """How well an ended job went; None while it runs."""
    if status not in TERMINAL:
        return None
    if status is not JobStatus.COMPLETED:
        return Outcome.NONE
    return Outcome.FULL if all(scene is SceneStatus.COMPLETED for scene in scenes) else Outcome.PARTIAL
