"""Clips, films, posters, captions."""

import mimetypes
from pathlib import PurePosixPath
from typing import Annotated, Final

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from api.deps import StudioDep
from api.problems import Problem, problem
from tasks.media import MediaError

router = APIRouter(tags=["media"])

_TYPES: Final = {".mp4": "video/mp4", ".jpg": "image/jpeg", ".vtt": "text/vtt", ".json": "application/json"}

_BEYOND: Final = "The Range header asks for bytes that this file does not have."


class MediaFile(FileResponse):
    """A file whose refusals of a range are problems, as every other error is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or the problem."""
        refusal: Message | None = None

        async def watched(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start" and message["status"] >= 400:
                refusal = message
            elif refusal is None:
                await send(message)

        await super().__call__(scope, receive, watched)
        if refusal:
            size = Headers(raw=refusal["headers"]).get("content-range")
            detail = _BEYOND if size else "The Range header is not one, as in “bytes=0-1023”."
            headers = {"Content-Range": size} if size else None
            refused = problem(Request(scope), Problem(refusal["status"], "bad_range", detail, headers))
            await refused(scope, receive, send)


@router.get("/media/{key:path}", response_class=FileResponse)
@router.head("/media/{key:path}", include_in_schema=False)
async def get_media(
    key: Annotated[str, Path(description="As a `…Url` of a job or a film has it.")],
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
    return MediaFile(
        path,
        media_type=_TYPES.get(suffix) or mimetypes.guess_type(key)[0],
        filename=f"{PurePosixPath(download).stem}{suffix}" if download else None,
        headers={"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"},
    )
