"""Clips, films, posters, captions."""

import mimetypes
from pathlib import PurePosixPath
from typing import Annotated, Final

import anyio.to_thread
from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from api.deps import StudioDep
from api.problems import Problem
from tasks.media import MediaError

router = APIRouter(tags=["media"])

_TYPES: Final = {".mp4": "video/mp4", ".jpg": "image/jpeg", ".vtt": "text/vtt", ".json": "application/json"}


@router.get("/media/{key:path}", response_class=FileResponse)
async def get_media(
    key: str,
    studio: StudioDep,
    download: Annotated[
        str | None, Query(max_length=120, description="Save under this name instead of showing.")
    ] = None,
) -> FileResponse:
    """A file of ours, with ranges; what stands at an address never changes."""
    try:
        path = studio.media.path(key)
    except MediaError as error:
        raise Problem(404, "media_not_found", "Media not found.") from error
    if not await anyio.to_thread.run_sync(path.is_file):
        raise Problem(404, "media_not_found", "Media not found.")
    suffix = PurePosixPath(key).suffix
    return FileResponse(
        path,
        media_type=_TYPES.get(suffix) or mimetypes.guess_type(key)[0],
        filename=f"{PurePosixPath(download).stem}{suffix}" if download else None,
        headers={"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"},
    )
