"""The library of films."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator

from api.deps import Cursor, Limit, RecordsDep, UserDep, VideoId
from api.keepable import text_fault
from api.schemas import VideoIn, VideoList, VideoView

router = APIRouter(prefix="/videos", tags=["library"])


def _text(value: str | None) -> str | None:
    if value and (fault := text_fault(value)):
        raise ValueError(f"What is searched for {fault}")
    return value


@router.get("")
async def list_videos(
    records: RecordsDep,
    user: UserDep,
    limit: Limit = 20,
    cursor: Cursor = None,
    search: Annotated[
        str | None, AfterValidator(_text), Query(max_length=200, description="Words in the title or the script.")
    ] = None,
) -> VideoList:
    """Films, newest first."""
    return await records.videos(limit, cursor, search, user)


@router.post("", status_code=201)
async def save_video(body: VideoIn, response: Response, records: RecordsDep, user: UserDep) -> VideoView:
    """Keep a film; a completed job is in the library already and is kept once."""
    video_id = await records.save_video(body, user)
    response.headers["Location"] = f"/api/videos/{video_id}"
    return await records.video(video_id, user)


@router.get("/{video_id}")
async def get_video(video_id: VideoId, records: RecordsDep, user: UserDep) -> VideoView:
    """One film."""
    return await records.video(video_id, user)


@router.delete("/{video_id}", status_code=204)
async def delete_video(video_id: VideoId, records: RecordsDep, user: UserDep) -> None:
    """Take a film out of the library; its job stays."""
    await records.delete_video(video_id, user)
