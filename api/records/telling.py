"""What a committed change was: a line in the log and a count, once for each move, wherever it was made."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

from api.models import AttemptRow, SceneRow
from api.states import TERMINAL, JobStatus, SceneStatus
from tasks import metrics
from tasks.ledger import AttemptState

if TYPE_CHECKING:
    from api.records.base import Change

log = logging.getLogger("storyreel.ledger")

MICROS: Final = 1_000_000
_TROUBLE: Final = frozenset({AttemptState.DOUBTED, AttemptState.UNKNOWN, AttemptState.ABANDONED})
_Seen = tuple[AttemptState, str | None, bool]


@dataclass(frozen=True, slots=True)
class Before:
    """A job as it was read, as far as it is told of."""

    status: JobStatus
    attempts: dict[UUID, _Seen]
    failed: frozenset[int]
    """Numbers of the scenes that were given up."""

    @classmethod
    def of(cls, change: "Change") -> Self:
        """Now."""
        failed = frozenset(scene.number for scene in change.scenes if scene.status is SceneStatus.FAILED)
        return cls(change.job.status, {row.id: _seen(row) for row in change.attempts}, failed)


def tell(before: Before, change: "Change") -> None:
    """Tell what has become of it; only after the commit, which may fail and be made again."""
    for row in change.attempts:
        was = before.attempts.get(row.id)
        if was != _seen(row):
            _attempt(was, row, change)
    for scene in change.scenes:
        if scene.status is SceneStatus.FAILED and scene.number not in before.failed:
            _given_up(scene, change)
    if change.job.status is not before.status:
        _job(change)


def _seen(row: AttemptRow) -> _Seen:
    return row.state, row.generation_id, row.refunded


def _job(change: "Change") -> None:
    job, status = change.job, JobStatus(change.job.status)
    if status in TERMINAL:
        metrics.JOBS_ENDED.labels(status.value).inc()
    level = logging.WARNING if status is JobStatus.FAILED else logging.INFO
    more = {"job": job.id, "flow_run": job.flow_run_id, "code": job.error_code}
    log.log(level, "job is %s", status.value, extra=more)


def _given_up(scene: SceneRow, change: "Change") -> None:
    more = {"job": scene.job_id, "scene": scene.number, "flow_run": change.job.flow_run_id, "code": scene.error_code}
    log.warning("scene is failed", extra=more)


def _attempt(was: _Seen | None, row: AttemptRow, change: "Change") -> None:
    state, (_, had_id, was_refunded) = AttemptState(row.state), was or (None, None, False)
    if row.generation_id and not had_id:
        metrics.CHARGED.inc(row.cost_micros / MICROS)
    if row.refunded and not was_refunded:
        metrics.REFUNDED.inc(row.cost_micros / MICROS)
    if was and was[0] is state:
        return
    if state is AttemptState.COMPLETED and row.submitted_at and row.ended_at:
        taken = (row.ended_at - row.submitted_at).total_seconds()
        metrics.GENERATION.labels(str(row.request.get("model"))).observe(taken)
    more = {"job": row.job_id, "scene": row.scene_number, "attempt": row.id, "flow_run": change.job.flow_run_id}
    level = logging.WARNING if state in _TROUBLE else logging.INFO
    log.log(level, "scene's attempt is %s", state.value, extra=more | {"generation": row.generation_id})
