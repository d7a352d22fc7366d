"""What the tasks write through: protocols and plain records, so that `tasks` needs no database.

Money is counted in micro-dollars (1 USD = 1,000,000). The order of writes is the safety of the whole system: an intent
is committed before the POST that may cost, the generation's id before the first poll, the clip after its file is safe.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from tasks.options import VideoOptions

if TYPE_CHECKING:
    from tasks.storyboard import Storyboard


class AttemptState(StrEnum):
    """Where one try to get one scene from Luma stands."""

    INTENDED = "intended"  # written down; the POST may or may not have gone out
    DOUBTED = "doubted"  # the POST went out and no answer came: may have cost
    SUBMITTED = "submitted"  # Luma gave an id
    COMPLETED = "completed"  # the clip is ours
    FAILED = "failed"  # Luma's generation failed, or its clip can't be had
    REFUSED = "refused"  # Luma took no money: nothing was begun
    LOST = "lost"  # looked for at Luma and not there: nothing was begun
    UNKNOWN = "unknown"  # Luma can't tell; a person decides
    ABANDONED = "abandoned"  # its job was cancelled or its take replaced while Luma worked: spent, not awaited


OPEN_ATTEMPTS = frozenset({AttemptState.INTENDED, AttemptState.DOUBTED, AttemptState.SUBMITTED})


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the media store: its key, size in bytes and SHA-256 in hex."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Clip:
    """One scene's moving picture, kept by us."""

    video: StoredFile
    duration_seconds: float
    width: int
    height: int
    still: StoredFile | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to get one scene from Luma: at most one paid generation."""

    id: UUID
    job_id: UUID
    scene_number: int
    token: str
    state: AttemptState
    request: dict[str, object]
    """The body of the POST, without the callback address."""
    intended_at: datetime
    callback_url: str | None = None
    """The secret address that was sent along; none when we have no public address."""
    generation_id: str | None = None
    submitted_at: datetime | None = None
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class SceneState:
    """A scene as the ledger knows it now."""

    number: int
    description: str
    prompt: str
    duration_seconds: float
    cost_micros: int
    """What one attempt is expected to cost."""
    clip: Clip | None = None
    """The present take's clip, or an earlier one's where the present take failed."""
    kept: Attempt | None = None
    """The attempt that brought the clip."""
    done: bool = False
    """The present take has its clip."""
    attempt: Attempt | None = None
    """The open attempt, if there is one."""
    given_up: bool = False
    """No further attempt is made until a person asks for one."""
    attempts: int = 0
    """How many attempts were begun for the present take."""
    error: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class JobState:
    """What the flow needs to know of its job."""

    id: UUID
    title: str
    script: str
    options: VideoOptions
    ended: bool = False
    """Completed or failed already: nothing is left to do in this run."""
    error: str | None = None
    given: Sequence[dict[str, object]] | None = None
    """The storyboard that came with the script, if any."""
    storyboard: dict[str, object] | None = None
    """The plan without its scenes, once there is one."""
    scenes: Sequence[SceneState] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Film:
    """The joined film and what lies beside it."""

    video: StoredFile
    poster: StoredFile
    captions: StoredFile
    manifest: StoredFile
    duration_seconds: float
    width: int
    height: int


class SceneLedger(Protocol):
    """What `generate_scene` tells of its attempt; each call is one committed transaction.

    Telling the same thing twice changes nothing. Telling of an attempt that another process has moved elsewhere
    meanwhile raises `Superseded`: read the scene again.
    """

    async def scene(self, job_id: UUID, number: int) -> SceneState:
        """The scene now. Raises `JobCancelled` when its job no longer wants it."""

    async def intend(self, job_id: UUID, number: int, request: dict[str, object], callback_base: str | None) -> Attempt:
        """Open an attempt under a fresh token, before the POST. Raises `JobCancelled`, `Superseded`."""

    async def doubted(self, attempt: Attempt, why: str) -> None:
        """The POST got no answer: it may have cost."""

    async def submitted(self, attempt: Attempt, generation_id: str) -> None:
        """Luma's id, before the first poll; also for one found again in Luma's list. Raises `GenerationClaimed`.

        An id that comes too late is kept as spent all the same, and raises `Superseded`.
        """

    async def completed(self, attempt: Attempt, clip: Clip) -> None:
        """The clip is in the store: the scene is done. Told again when its file had to be fetched anew."""

    async def failed(self, attempt: Attempt, why: str, *, refunded: bool) -> None:
        """Luma's generation ended without a clip."""

    async def refused(self, attempt: Attempt, why: str) -> None:
        """Nothing was begun and nothing spent."""

    async def lost(self, attempt: Attempt) -> None:
        """A doubted attempt is surely not at Luma."""

    async def unknown(self, attempt: Attempt, why: str) -> None:
        """A doubted attempt can't be looked up: a person decides."""

    async def scene_failed(self, job_id: UUID, number: int, why: str, code: str) -> None:
        """No further attempt will be made in this run."""

    async def rung(self, since: datetime) -> dict[str, datetime]:
        """Tokens of open attempts for which Luma's callback rang after `since`, and when."""

    async def known_generations(self, generation_ids: Iterable[str]) -> set[str]:
        """Those of the ids that belong to an attempt."""


class JobLedger(SceneLedger, Protocol):
    """What the flow tells of its job."""

    async def begin(
        self,
        job_id: UUID,
        flow_run_id: UUID,
        script: str,
        title: str | None,
        options: VideoOptions,
        *,
        asked_again: bool = False,
    ) -> JobState:
        """The flow's first word: queued → processing; makes the job when it was started without the API.

        `asked_again`: an operator retried this run in Prefect after it had ended: so is its job, for what is missing.
        """

    async def planned(self, job_id: UUID, storyboard: "Storyboard", scene_cost_micros: int) -> JobState:
        """Write the scenes and what each will cost, once: a second call changes nothing and answers what is there."""

    async def filmed(self, job_id: UUID, film: Film) -> None:
        """The film is in the store: the job is completed."""

    async def job_failed(self, job_id: UUID, why: str, code: str) -> None:
        """The job ends without a film."""

    async def job_cancelled(self, job_id: UUID, flow_run_id: UUID) -> None:
        """This run of the job was cancelled; what Luma already began is spent. A job that has moved on stays."""


class JobCancelled(Exception):
    """The job is being cancelled, or another run has taken it over: nothing more may be submitted in this one."""


class Superseded(Exception):
    """Another process works on this scene or job, and has gone further."""


class GenerationClaimed(Exception):
    """Another attempt holds this generation already."""
