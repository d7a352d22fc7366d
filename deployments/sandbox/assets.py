"""Finished clips behind signed URLs that expire, served with Range."""

import hmac
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from deployments.sandbox.generations import Generation, State
from deployments.sandbox.sandbox import Sandbox
from deployments.sandbox.wire import answered, sandbox_of

MEDIA_TYPES = {"clip.mp4": "video/mp4", "thumb.jpg": "image/jpeg"}
DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>{}</Message></Error>'


def signature(sandbox: Sandbox, generation_id: str, name: str, expires: str) -> str:
    """What makes a URL valid: nobody else can name another asset or a later end."""
    return hmac.new(sandbox.secret, f"{generation_id}/{name}/{expires}".encode(), sha256).hexdigest()


def asset_url(sandbox: Sandbox, generation: Generation, name: str, expires: float, base: str) -> str:
    """The signed URL of one asset, valid until `expires` (seconds since the epoch)."""
    until = f"{expires:.6f}"
    signed = signature(sandbox, generation.id, name, until)
    return f"{base}/assets/{generation.id}/{name}?expires={until}&signature={signed}"


def denial(sandbox: Sandbox, request: Request) -> str | None:
    """Why storage won't answer, if it won't."""
    expires, given = request.query_params.get("expires", ""), request.query_params.get("signature", "")
    wanted = signature(sandbox, request.path_params["id"], request.path_params["name"], expires)
    if not hmac.compare_digest(wanted.encode(), given.encode()):
        return "Access denied"
    return "Request has expired" if float(expires) <= sandbox.clock.time() else None


def ranged(body: bytes, media_type: str, wanted: str | None) -> Response:
    """The whole of a body, or the one range that was asked for: 200, 206 or 416."""
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{sha256(body).hexdigest()[:32]}"'}
    if not wanted or not wanted.startswith("bytes=") or "," in wanted:
        return Response(body, 200, headers, media_type)
    span = _span(wanted.removeprefix("bytes="), len(body))
    if span is None:
        return Response(b"", 416, {**headers, "Content-Range": f"bytes */{len(body)}"})
    start, end = span
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
    return Response(body[start:end], 206, headers, media_type)


def _span(text: str, size: int) -> tuple[int, int] | None:
    """The [start, end) of "a-b", "a-" or "-n", or None where there is nothing to send."""
    first, dash, last = text.partition("-")
    if (
        not dash
        or not (first or last)
        or not all(part.isdecimal() and len(part) < 16 for part in (first, last) if part)
    ):
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else None


async def download(request: Request) -> Response:
    """GET /assets/{generation}/{name}: the clip or its thumbnail."""
    sandbox = sandbox_of(request)
    if reason := denial(sandbox, request):
        return Response(DENIED.format(reason), 403, media_type="application/xml")
    generation, name = sandbox.generations.get(request.path_params["id"]), request.path_params["name"]
    if generation is None or name not in MEDIA_TYPES or generation.state(sandbox.clock.time()) is not State.COMPLETED:
        return Response(DENIED.format("Not found"), 404, media_type="application/xml")
    sandbox.stats.counts["downloads"] += name == "clip.mp4"

    async def carry_out() -> Response:
        clip = await sandbox.clips.clip(generation.order, cached=sandbox.config.clips == "cached")
        body = clip.video if name == "clip.mp4" else clip.thumbnail
        return ranged(body, MEDIA_TYPES[name], request.headers.get("range"))

    return await answered(sandbox, generation.order.wire, "asset", generation.order.prompt, carry_out)
