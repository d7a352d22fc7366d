"""Jobs: make, follow, list, cancel, retry, another take."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Response
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.deps import (
    Cursor,
    DispatcherDep,
    IdempotencyKey,
    JobId,
    Limit,
    PlacesDep,
    RecordsDep,
    StudioDep,
    UserDep,
    WatchDep,
)
from api.events import shown
from api.integrity import confirmation
from api.planning import check_cost
from api.problems import StreamEnded
from api.records import NewJob
from api.schemas import GenerateRequest, JobAccepted, JobList, JobView, RegenerateRequest, RetryRequest
from api.states import TERMINAL
from api.views import micros

router = APIRouter(tags=["jobs"])

POLL_AFTER = "2"  # seconds, as the studio polls


@router.post("/generate", status_code=202)
async def generate(
    body: GenerateRequest,
    response: Response,
    studio: StudioDep,
    dispatcher: DispatcherDep,
    user: UserDep,
    idempotency_key: IdempotencyKey = None,
) -> JobAccepted:
    """Accept a script: the job exists once this answers, and nothing else is waited for."""
    await check_cost(body, studio.prices)
    job_id, status, _ = await studio.records.create(new_job(body, user, idempotency_key))
    dispatcher.wake()
    response.headers["Location"] = f"/api/job/{job_id}"
    response.headers["Retry-After"] = POLL_AFTER
    return JobAccepted(job_id=job_id, status=status)


def new_job(body: GenerateRequest, user: str, idempotency_key: str | None = None) -> NewJob:
    """What was asked → what the ledger keeps."""
    return NewJob(
        script=body.script,
        options=body.options,
        title=body.title or None,
        given=[draft.model_dump(mode="json", by_alias=True) for draft in body.storyboard] if body.storyboard else None,
        integrity=confirmation(body.script) if body.integrity_confirmed else None,
        max_cost_micros=micros(body.max_cost_usd) if body.max_cost_usd else None,
        owner_id=user,
        idempotency_key=idempotency_key,
    )


@router.get("/job/{job_id}", response_model=JobView, responses={304: {"description": "Nothing has changed."}})
async def get_job(
    job_id: JobId,
    records: RecordsDep,
    places: PlacesDep,
    user: UserDep,
    if_none_match: Annotated[str | None, Header(description="An `ETag` of before: 304 while it is the same.")] = None,
) -> Response:
    """A job now; poll it every two seconds, with `If-None-Match` to save the body when nothing changed."""
    body, etag = await shown(job_id, await records.body(job_id, user), places)
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if if_none_match and _matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _matches(if_none_match: str, etag: str) -> bool:
    return if_none_match.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]


@router.get("/job/{job_id}/script", response_class=PlainTextResponse)
async def get_script(job_id: JobId, records: RecordsDep, user: UserDep) -> str:
    """The script that the job was made from."""
    return await records.script(job_id, user)


LastEvent = Annotated[str | None, Header(description="The `id` of the last event seen: only what is newer follows.")]


async def _existing(job_id: JobId, records: RecordsDep, user: UserDep, last_event_id: LastEvent = None) -> UUID:
    """404 or 204 before a stream begins: after that there is no status left to answer with."""
    body = await records.body(job_id, user)
    if body.status in TERMINAL and last_event_id == str(body.revision):
        raise StreamEnded
    return job_id


@router.get(
    "/job/{job_id}/events",
    response_class=EventSourceResponse,
    responses={204: {"description": "The job has ended, and `Last-Event-ID` was its last state: don't come again."}},
)
async def follow_job(
    job_id: Annotated[UUID, Depends(_existing)],
    watch: WatchDep,
    places: PlacesDep,
    user: UserDep,
    last_event_id: LastEvent = None,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `job` with the whole job for every change, ids are revisions; ends with the job."""
    last = int(last_event_id) if last_event_id and re.fullmatch("[0-9]{1,9}", last_event_id) else None
    async with aclosing(watch.follow(job_id, user, last)) as bodies:
        async for body in bodies:
            data, _ = await shown(job_id, body, places)
            yield ServerSentEvent(event="job", id=str(body.revision), raw_data=data.decode(), retry=2000)


@router.get("/jobs")
async def list_jobs(records: RecordsDep, user: UserDep, limit: Limit = 20, cursor: Cursor = None) -> JobList:
    """Jobs, newest first."""
    return await records.jobs(limit, cursor, user)


@router.post("/job/{job_id}/cancel", status_code=202)
async def cancel_job(job_id: JobId, records: RecordsDep, dispatcher: DispatcherDep, user: UserDep) -> JobAccepted:
    """End a job; nothing more is submitted, and what Luma has begun is told as spent."""
    status = await records.cancel(job_id, user)
    dispatcher.wake()
    return JobAccepted(job_id=job_id, status=status)


@router.post("/job/{job_id}/retry", status_code=202)
async def retry_job(
    job_id: JobId,
    records: RecordsDep,
    dispatcher: DispatcherDep,
    user: UserDep,
    body: RetryRequest | None = None,
) -> JobAccepted:
    """Run an ended job again; finished clips are kept, and only what is missing is paid for."""
    status = await records.retry(job_id, body.prompts if body else {}, user)
    dispatcher.wake()
    return JobAccepted(job_id=job_id, status=status)


@router.post("/job/{job_id}/scenes/{number}/regenerate", status_code=202)
async def regenerate_scene(
    job_id: JobId,
    number: Annotated[int, Path(ge=1, le=10_000, description="The scene's number, from 1.")],
    records: RecordsDep,
    dispatcher: DispatcherDep,
    user: UserDep,
    body: RegenerateRequest | None = None,
) -> JobAccepted:
    """Another take of one scene of an ended job, with a new prompt if one is given; then the film is joined again."""
    status = await records.regenerate(job_id, number, body.prompt if body else None, user)
    dispatcher.wake()
    return JobAccepted(job_id=job_id, status=status)


@router.post("/job/{job_id}/scenes/{number}/takes/{attempt_id}/choose", status_code=202)
async def choose_take(
    job_id: JobId,
    number: Annotated[int, Path(ge=1, le=10_000, description="The scene's number, from 1.")],
    attempt_id: Annotated[UUID, Path(description="`attemptId` of one of the scene's `takes`.")],
    records: RecordsDep,
    dispatcher: DispatcherDep,
    user: UserDep,
) -> JobAccepted:
    """Show an earlier take of a scene and join the film again; costs nothing."""
    status = await records.choose(job_id, number, attempt_id, user)
    dispatcher.wake()
    return JobAccepted(job_id=job_id, status=status)
