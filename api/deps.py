"""What routes need: a route's signature says all of it. All async: FastAPI takes plain functions to a thread each."""

import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Header, Path, Query, Request

from api.bootstrap import Studio
from api.dispatch import Dispatcher
from api.events import JobWatch, QueuePlaces
from api.models import LOCAL_USER
from api.prefect_api import PrefectApi
from api.problems import Problem
from api.records import JobRecords

_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


async def _studio(request: Request) -> Studio:
    return request.app.state.studio  # type: ignore[no-any-return]


async def _records(request: Request) -> JobRecords:
    return request.app.state.studio.records  # type: ignore[no-any-return]


async def _dispatcher(request: Request) -> Dispatcher:
    return request.app.state.dispatcher  # type: ignore[no-any-return]


async def _watch(request: Request) -> JobWatch:
    return request.app.state.watch  # type: ignore[no-any-return]


async def _places(request: Request) -> QueuePlaces:
    return request.app.state.places  # type: ignore[no-any-return]


async def _prefect(request: Request) -> PrefectApi:
    return request.app.state.prefect  # type: ignore[no-any-return]


async def _user() -> str:
    return LOCAL_USER  # one local user for now; every query is by owner already


async def _job_id(job_id: Annotated[str, Path(description="The job's UUID.")]) -> UUID:
    try:
        return UUID(job_id)
    except ValueError as error:  # malformed, unknown and foreign ids look alike from outside
        raise Problem(404, "job_not_found", "Job not found.") from error


async def _video_id(video_id: Annotated[str, Path(description="The film's UUID in the library.")]) -> UUID:
    try:
        return UUID(video_id)
    except ValueError as error:
        raise Problem(404, "video_not_found", "Video not found.") from error


async def _idempotency_key(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="1–255 printable ASCII characters. The same key with the same body answers with the same job.",
        ),
    ] = None,
) -> str | None:
    if key is not None and not _KEY.fullmatch(key):
        raise Problem(422, "invalid_request", "An Idempotency-Key has 1 to 255 printable ASCII characters.")
    return key


StudioDep = Annotated[Studio, Depends(_studio)]
RecordsDep = Annotated[JobRecords, Depends(_records)]
DispatcherDep = Annotated[Dispatcher, Depends(_dispatcher)]
WatchDep = Annotated[JobWatch, Depends(_watch)]
PlacesDep = Annotated[QueuePlaces, Depends(_places)]
PrefectDep = Annotated[PrefectApi, Depends(_prefect)]
UserDep = Annotated[str, Depends(_user)]
JobId = Annotated[UUID, Depends(_job_id)]
VideoId = Annotated[UUID, Depends(_video_id)]
IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many to answer at most.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]
