"""The story: a script becomes a storyboard, every scene a clip, the clips a film."""

from collections.abc import Callable
from typing import Annotated, Any, Final
from uuid import UUID

from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Completed, Failed
from pydantic import AfterValidator, Field

from api.bootstrap import Studio, studio
from api.records.ledger import title_of
from api.schemas import filmable
from flows.asked import asked_again
from flows.film_job import Ending, Order, film_job
from flows.report import Report
from flows.task_runs import run
from tasks import logs
from tasks.ledger import Clip, Film, JobState
from tasks.options import MAX_SCENES, MAX_SCRIPT, MIN_SCRIPT, VideoOptions
from tasks.scene import SceneTools
from tasks.story import assemble_film, generate_scene, generate_storyboard
from tasks.storyboard import SceneDraft, Storyboard

_STATES: Final[dict[Ending, Callable[..., State[Any]]]] = {
    Ending.COMPLETED: Completed,
    Ending.FAILED: Failed,
    Ending.CANCELLED: Cancelled,
}


_HERE: Final = get_current_settings().results.local_storage_path
"""A place for results though none is kept but the error of a run with wrong parameters: without one, Prefect asks its
server for it, twice a run and blocking the loop."""


def _name() -> str:
    asked = runtime.flow_run.parameters
    return asked.get("title") or title_of(asked["script"])


async def _cancelled(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    job_id = flow_run.parameters.get("job_id") or flow_run.id
    async with studio() as house:
        await house.records.job_cancelled(UUID(str(job_id)), flow_run.id)


async def _asked_again(run_id: UUID) -> bool:
    if runtime.flow_run.run_count <= 1:  # its first time
        return False
    async with get_client() as prefect:
        return asked_again(await prefect.read_flow_run_states(run_id))


@flow(
    name="generate-video",
    flow_run_name=_name,
    on_cancellation=[_cancelled],
    persist_result=False,
    result_storage=_HERE,
)
async def generate_video(
    script: Annotated[str, AfterValidator(filmable), Field(min_length=MIN_SCRIPT, max_length=MAX_SCRIPT)],
    options: VideoOptions = VideoOptions(),  # noqa: B008
    title: Annotated[str | None, Field(max_length=200)] = None,
    storyboard: Annotated[list[SceneDraft] | None, Field(max_length=MAX_SCENES)] = None,
    job_id: UUID | None = None,
) -> State[Any]:
    """Turn a script into a film: storyboard, one clip per scene from Luma, joined; its job shows in the API.

    Args:
        script: The written script, 60 to 20,000 characters.
        options: Model, shape, length and style of the film.
        title: Made from the script when left out.
        storyboard: An edited storyboard, kept as it is; cut from the script when left out.
        job_id: The job this run is for; a new one when left out.
    """
    run_id = UUID(runtime.flow_run.id)
    order = Order(job_id or run_id, run_id, script, options, title, storyboard or (), await _asked_again(run_id))
    async with studio() as house, Report(house.settings.studio_url) as report:
        logs.set_up(house.settings)  # for a process of the run's own: a worker has done it
        ended = await film_job(house, order, PrefectVerbs(house), report)
    return _STATES[ended.ending](message=ended.message)


class PrefectVerbs:
    """The three tasks as task runs of the present flow run."""

    def __init__(self, house: Studio) -> None:
        self._media = house.media

    async def storyboard(self, script: str, options: VideoOptions, given: list[SceneDraft]) -> Storyboard:
        """See `Verbs.storyboard`."""
        return await run(generate_storyboard, script, options, given)

    async def scene(self, tools: SceneTools, job_id: UUID, number: int, total: int, options: VideoOptions) -> Clip:
        """See `Verbs.scene`."""
        return await run(generate_scene, tools, job_id, number, total, options)

    async def film(self, job: JobState) -> Film:
        """See `Verbs.film`."""
        return await run(assemble_film, self._media, job)
