"""What happens to every request: an id that is echoed, and a body that can't grow past the limit."""

import re
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import MAX_BODY, Problem, problem

_UNREAD: Final = "/api/luma/callback/"  # whatever comes there is never read, and always answered with 200
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")


class RequestId:
    """`X-Request-Id`: the caller's, if it is a sane one, else a new one; on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the id in the request's state."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        return await self.app(scope, receive, stamped)


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
