"""The old blocking endpoint, for callers that have not moved yet."""

import asyncio
from contextlib import suppress

from fastapi import APIRouter, Response

from api.deps import DispatcherDep, IdempotencyKey, PlacesDep, StudioDep, UserDep, WatchDep
from api.events import shown
from api.planning import check_cost
from api.routes.jobs import POLL_AFTER, new_job
from api.schemas import GenerateRequest, JobView
from api.states import TERMINAL

router = APIRouter(tags=["deprecated"])


@router.post(
    "/generate-video",
    deprecated=True,
    response_model=JobView,
    responses={202: {"model": JobView, "description": "Still running: follow `Location`."}},
)
async def generate_video(
    body: GenerateRequest,
    studio: StudioDep,
    dispatcher: DispatcherDep,
    watch: WatchDep,
    places: PlacesDep,
    user: UserDep,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a film and wait for it, within bounds: 200 and the ended job, or 202 and the job as it is by then."""
    await check_cost(body, studio.prices)
    job_id, _, _ = await studio.records.create(new_job(body, user, idempotency_key))
    dispatcher.wake()
    latest = await studio.records.body(job_id, user)
    with suppress(TimeoutError):
        async with asyncio.timeout(studio.settings.blocking_seconds):
            async for latest in watch.follow(job_id, user):  # noqa: B007 - the last is answered
                continue
    headers = {
        "Location": f"/api/job/{job_id}",
        "Deprecation": "true",
        "Link": '</api/generate>; rel="successor-version"',
    }
    answer, _ = await shown(job_id, latest, places)
    if latest.status in TERMINAL:
        return Response(answer, 200, headers, "application/json")
    return Response(answer, 202, headers | {"Retry-After": POLL_AFTER}, "application/json")
