"""What happens to every request: an id that is echoed, a line in the log, and a body that can't grow past the limit."""

import logging
import re
import time
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import MAX_BODY, Problem, problem
from tasks import metrics
from tasks.logs import bound

log = logging.getLogger("storyreel.requests")

_API: Final = "/api"
_UNREAD: Final = "/api/luma/callback/"  # whatever comes there is never read, and always answered with 200
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LOOKS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing: pages ask so often that their lines stand at debug."""


class RequestId:
    """`X-Request-Id`: the caller's, if it is a sane one, else a new one; on every answer and every line of the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the id in the request's state."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        begun, status = time.perf_counter(), 500  # what is answered for an error that passes through here

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
                status = message["status"]
            await send(message)

        with bound(request=request_id):
            try:
                await self.app(scope, receive, stamped)
            finally:
                _tell(scope, status, time.perf_counter() - begun)
        return None


def _tell(scope: Scope, status: int, seconds: float) -> None:
    method, route = scope["method"], _template(scope)
    metrics.REQUESTS.labels(method if method in _METHODS else "other", route, status).inc()
    level = logging.DEBUG if method in _LOOKS or route.startswith(_UNREAD) else logging.INFO
    if log.isEnabledFor(level):
        more = {"method": method, "route": route, "status": status, "ms": round(1000 * seconds, 1)}
        log.log(level, "request is answered", extra=more)


def _template(scope: Scope) -> str:
    """The route as its router declares it, since a path may hold a callback's token; “none” where nothing is."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return "none"
    prefix = _API if scope["path"].startswith(_API) and not path.startswith(_API) else ""  # FastAPI's route lacks it
    return f"{prefix}{path}"


class BodyLimit:
    """413 for a body over the limit, also when it is streamed without saying how long it is."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, counting what is read."""
        if scope["type"] != "http" or scope["path"].startswith(_UNREAD):
            return await self.app(scope, receive, send)
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > self.limit:
            return await self._refuse(scope, receive, send)
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:  # the one kind of error that FastAPI lets pass while it reads a body
                raise HTTPException(413, headers={"Connection": "close"})
            return message

        return await self.app(scope, counted, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"The body is larger than {self.limit // 1024} KiB."
        response = problem(Request(scope), Problem(413, "body_too_large", detail, {"Connection": "close"}))
        await response(scope, receive, send)
