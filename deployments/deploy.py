"""What Prefect must know before a film can be made: pool, deployment, limit, and what to do when a worker dies."""

import asyncio
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.callables import parameter_schema

from deployments.push import BEAT
from flows.asked import SILENT
from tasks.luma.share import CREATES, SLOTS
from tasks.settings import Settings

ENTRYPOINT: Final = "flows.generate_video.generate_video"
NAME: Final = "luma"
POOL: Final = "storyreel"
TAG: Final = "storyreel"
"""Every run of the deployment carries it; the automations look after the runs that do."""
DESCRIPTION: Final = "Turns a script into a film: a storyboard, one Luma clip per scene, and the clips joined."
AGAIN_SECONDS: Final = 0.5
LOST_SECONDS: Final = 75.0
"""Without a heartbeat. Prefect looks every 5 s: with a beat every 30 s, a run begins again within 90 s of the kill."""
JOB_VARIABLES: Final[dict[str, Any]] = {"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}}
"""For stock workers, whose engine beats by itself when told to."""


def _states(*names: str) -> set[str]:
    return {f"prefect.flow-run.{name}" for name in names}


def _when_silent(name: str, description: str, *, after: set[str], expect: set[str], then: ChangeFlowRunState) -> Any:
    """Make an automation that acts on each run which stays silent after an event."""
    return AutomationCore(
        name=name,
        description=description,
        trigger=EventTrigger(
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=ResourceSpecification({"prefect.resource.id": [f"prefect.tag.{TAG}"]}),
            for_each={"prefect.resource.id"},
            after=after,
            expect=expect,
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=LOST_SECONDS),
        ),
        actions=[then],
    )


def automations() -> list[AutomationCore]:
    """What Prefect does when a worker falls silent: a run begins again elsewhere, one being cancelled is ended."""
    ended = _states("Completed", "Failed", "Cancelled", "Crashed", "TimedOut")
    moved = _states("Scheduled", "AwaitingRetry", "Late", "Cancelling", "Suspended", "Paused")
    return [
        _when_silent(
            "storyreel: begin again without a heartbeat",
            "The worker of this run is gone; another one takes it up.",
            after={BEAT} | _states("Running"),
            expect={BEAT} | ended | moved,
            then=ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry", message=SILENT),
        ),
        _when_silent(
            "storyreel: end what nobody cancels",
            "The worker that should have cancelled this run is gone.",
            after=_states("Cancelling"),
            expect=ended,
            then=ChangeFlowRunState(
                state=StateType.CANCELLED, name="Cancelled", message="Cancelled; its worker was gone."
            ),
        ),
    ]


async def deploy(
    settings: Settings, *, entrypoint: str = ENTRYPOINT, name: str = NAME, pool: str = POOL, pool_type: str = POOL
) -> UUID:
    """Make Prefect know the deployment and all that it needs, whatever is there already; the deployment's id.

    Raises httpx.HTTPError when Prefect can't be reached or refuses.
    """
    updates = {PREFECT_API_URL: settings.prefect_api_url} if settings.prefect_api_url else {}
    with temporary_settings(updates=updates):
        async with get_client() as client:
            await _ensure_pool(client, pool, pool_type)
            await prepare(settings, client=client)
            return await _deploy_flow(client, entrypoint, name, pool)


async def deploy_when_there(settings: Settings) -> UUID:
    """`deploy`, once Prefect's server answers."""
    while True:
        try:
            return await deploy(settings)
        except httpx.TransportError:  # it is still starting
            await asyncio.sleep(AGAIN_SECONDS)


async def prepare(settings: Settings | None = None, *, client: PrefectClient | None = None) -> dict[str, Any]:
    """Make limit and automations; also a build step of `prefect.yaml`, hence the dictionary of (no) outputs."""
    if client is None:
        async with get_client() as own:
            return await prepare(settings, client=own)
    settings = settings or Settings()
    for limit, slots in ((SLOTS, settings.luma_concurrency), (CREATES, settings.luma_creates_per_minute)):
        if slots:
            await client.upsert_global_concurrency_limit_by_name(limit, slots)
    for automation in automations():
        existing = await client.read_automations_by_name(automation.name)
        if existing:
            await client.update_automation(existing[0].id, automation)
        else:
            await client.create_automation(automation)
    return {}


async def _ensure_pool(client: PrefectClient, pool: str, pool_type: str) -> None:
    try:
        await client.read_work_pool(pool)
    except ObjectNotFound:
        try:
            await client.create_work_pool(WorkPoolCreate(name=pool, type=pool_type))
        except ObjectAlreadyExists:  # a worker was quicker
            return


async def _deploy_flow(client: PrefectClient, entrypoint: str, name: str, pool: str) -> UUID:
    flow: Flow[Any, Any] = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    return await client.create_deployment(
        flow_id=await client.create_flow(flow),
        name=name,
        entrypoint=entrypoint,
        work_pool_name=pool,
        description=DESCRIPTION,
        tags=[TAG],
        parameter_openapi_schema=parameter_schema(flow).model_dump(mode="json"),
        enforce_parameter_schema=True,
        job_variables=JOB_VARIABLES,
    )
