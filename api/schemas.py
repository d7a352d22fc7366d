"""The wire: camelCase JSON in and out. These models write what GET answers, so the documentation can't drift."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from api.keepable import fault_of
from api.states import JobStatus, Outcome, SceneStatus
from tasks.options import (
    MAX_COST_USD,
    MAX_PROMPT,
    MAX_SCENES,
    MAX_SCRIPT,
    MIN_PROMPT,
    MIN_SCRIPT,
    VideoOptions,
    script_fault,
)
from tasks.storyboard import PassedOver, SceneDraft, Strategy


class Wire(BaseModel):
    """camelCase outside, snake_case inside."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Accepted(Wire):
    """A body we take: unknown fields are ignored, as the old frontend expects."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _keepable(cls, body: Any) -> Any:
        if fault := fault_of(body):
            raise ValueError(fault)
        return body


def filmable(script: str) -> str:
    """The script as it is. Raises ValueError with one sentence when it can't be filmed."""
    fault = script_fault(script)
    if fault:
        raise ValueError(fault)
    return script


Script = Annotated[
    str,
    AfterValidator(filmable),
    Field(
        description=f"The written script; at least {MIN_SCRIPT} characters after trimming, at most {MAX_SCRIPT}.",
        examples=[
            "A lighthouse keeper finds a letter in a bottle. She reads it by lamplight and rows out to answer it."
        ],
    ),
]
Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class PlanRequest(Accepted):
    """A script to plan, with nothing spent."""

    script: Script
    options: VideoOptions = VideoOptions()
    storyboard: Annotated[
        list[SceneDraft] | None,
        Field(min_length=1, max_length=MAX_SCENES, description="An edited storyboard, kept as it is."),
    ] = None


class GenerateRequest(PlanRequest):
    """A film to make; `{script}` is enough."""

    title: Title | None = None
    integrity_confirmed: Annotated[
        bool, Field(description="“This story reflects my own ideas”, ticked by the writer.")
    ] = False
    max_cost_usd: Annotated[
        float | None,
        Field(
            gt=0,
            le=MAX_COST_USD,
            allow_inf_nan=False,
            description="Refuse the job if its scenes would cost more.",
        ),
    ] = None


Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=MIN_PROMPT, max_length=MAX_PROMPT)]


class RegenerateRequest(Accepted):
    """Another take of one scene."""

    prompt: Prompt | None = None


class RetryRequest(Accepted):
    """What is missing, made again."""

    prompts: Annotated[
        dict[int, Prompt],
        Field(max_length=MAX_SCENES, description="New prompts, by scene number, of scenes that have no clip yet."),
    ] = {}


class PlannedScene(Wire):
    """A scene before anything was spent on it."""

    scene_number: int
    scene_index: int
    description: str
    prompt: str
    start: int | None
    end: int | None
    duration_seconds: float
    cost_usd: float | None = None


class StoryboardView(Wire):
    """The script, cut: which strategy fired and why the ones before it did not."""

    strategy: Strategy
    passed_over: list[PassedOver]
    style: str
    setting: str | None
    scenes: list[PlannedScene]


class Plan(StoryboardView):
    """A storyboard with its price."""

    cost_usd: float
    duration_seconds: float


class Take(Wire):
    """One attempt at a scene, as far as it concerns a person."""

    attempt_id: UUID
    take: int
    state: str
    generation_id: str | None
    prompt: str
    cost_usd: float
    refunded: bool
    video_url: str | None
    image_url: str | None
    error: str | None
    started_at: Annotated[datetime, Field(description="When Luma took it; until then, when it was about to be sent.")]
    ended_at: datetime | None


class SceneView(Wire):
    """A scene of a job now."""

    scene_number: int
    scene_index: int
    description: str
    prompt: str
    status: SceneStatus
    generation_id: str | None
    video_url: str | None
    image_url: str | None
    duration_seconds: float
    cost_usd: float
    error: str | None
    error_code: str | None
    takes: list[Take]


class FilmView(Wire):
    """The joined film and what lies beside it."""

    video_url: str
    poster_url: str
    captions_url: str
    manifest_url: str
    duration_seconds: float
    width: int
    height: int
    size_bytes: int
    sha256: str


class Results(Wire):
    """What a job has made so far."""

    storyboard: StoryboardView | None
    scenes: list[SceneView]
    film: FilmView | None


class Counts(Wire):
    """Scenes by status."""

    total: int
    pending: int
    generating: int
    completed: int
    failed: int


class Cost(Wire):
    """US dollars: of the whole storyboard, spent, of that given back, and what can't be known."""

    estimated_usd: float
    spent_usd: float
    refunded_usd: float
    unknown_usd: float
    max_usd: float | None


class JobView(Wire):
    """A job as every page, terminal and operator sees it."""

    job_id: UUID
    status: JobStatus
    outcome: Outcome | None
    progress: Annotated[int, Field(ge=0, le=100)]
    current_step: str
    waiting_for: Annotated[
        str | None, Field(description="Why the job waits although it could go on; null: for its turn, or for nothing.")
    ]
    title: str
    revision: int
    run: int
    flow_run_id: UUID | None
    flow_run_url: str | None
    options: VideoOptions
    integrity_confirmed: bool
    counts: Counts
    cost: Cost
    queue_position: Annotated[
        int | None, Field(description="1 is next; null once the job has its turn. Told anew by polls, not by events.")
    ]
    eta_seconds: Annotated[
        int | None, Field(description="An estimate of the time left from now, rounded up; null when nothing is known.")
    ]
    results: Results | None
    error: str | None
    error_code: str | None
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    ended_at: datetime | None


class JobSummary(Wire):
    """A job in a list."""

    job_id: UUID
    title: str
    status: JobStatus
    progress: int
    current_step: str
    poster_url: str | None
    flow_run_id: UUID | None
    error: str | None
    created_at: datetime
    ended_at: datetime | None


class JobList(Wire):
    """A page of jobs, newest first; `next` goes into `cursor` for the following page."""

    jobs: list[JobSummary]
    next: str | None


class JobAccepted(Wire):
    """The job exists; follow it at `Location`."""

    job_id: UUID
    status: JobStatus


def _web_address(url: str) -> str:
    if url and not url.startswith(("https://", "http://", "/")):  # it becomes a link on a page
        raise ValueError("“videoUrl” must be a web address that begins with https:// or /.")
    return url


class VideoIn(Accepted):
    """A film for the library, in the old frontend's words."""

    script: str = ""
    title: Title | None = None
    video_url: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_web_address)] | None = None
    generation_id: Annotated[str, StringConstraints(max_length=200)] | None = None
    status: Annotated[str, Field(max_length=40)] = "completed"
    storyboard: Any = None
    video_data: Any = None


class VideoView(Wire):
    """A film in the library."""

    id: UUID
    job_id: UUID | None
    title: str
    script: str
    video_url: str | None
    poster_url: str | None
    generation_id: str | None
    status: str
    storyboard: Any
    video_data: Any
    created_at: datetime


class VideoList(Wire):
    """A page of the library, newest first."""

    videos: list[VideoView]
    next: str | None


class Choice(Wire):
    """One value a person may choose."""

    value: str
    label: str


class Capabilities(Wire):
    """What a form needs to know, and nothing that is secret."""

    min_script: int
    max_script: int
    max_prompt: int
    max_scenes: int
    defaults: VideoOptions
    models: list[Choice]
    aspect_ratios: list[Choice]
    resolutions: list[Choice]
    durations: list[Choice]
    styles: list[Choice]
    integrity_statement: str
    sandbox: Annotated[bool, Field(description="Whether films are drawn on this machine and cost nothing.")]
    prefect_ui_url: str | None


class Check(Wire):
    """One part the service stands on."""

    name: str
    ok: bool
    detail: str


class Readiness(Wire):
    """Whether a job would run now."""

    status: Literal["ready", "not ready"]
    checks: list[Check]
