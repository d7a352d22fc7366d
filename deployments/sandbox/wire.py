"""What both wires share: reading a request, spoiling an answer, and breaking a connection."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.sandbox.account import Refused
from deployments.sandbox.faults import DETAILS, Fault, FaultKind, Operation, Wire
from deployments.sandbox.sandbox import Sandbox

Handler = Callable[[], Awaitable[Response]]
Body = TypeVar("Body", bound=BaseModel)

TRANSPORT: Final = "storyreel.transport"
"""Key in the ASGI scope of the server's socket, where `Breaking` finds it."""

PAGE: Final = "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1><p>The upstream went away.</p>"


class ConnectionBroken(Exception):
    """The client shall see its connection break without an answer."""


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as both wires write it."""
    return JSONResponse({"detail": detail}, status, headers)


def sandbox_of(request: Request) -> Sandbox:
    """The sandbox behind the app that serves this request."""
    found: Sandbox = request.app.state.sandbox
    return found


def base_url(request: Request) -> str:
    """Where this sandbox is reached: as configured, or as the request says."""
    return (sandbox_of(request).config.public_url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; raises Refused(400)."""
    try:
        body = json.loads(await request.body())
        json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair parses, and could not be echoed
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not valid JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object")
    return body


def prompt_of(body: Mapping[str, object]) -> str:
    """The prompt as far as there is one, for faults that go by it."""
    prompt = body.get("prompt")
    return prompt if isinstance(prompt, str) else ""


def checked(model: type[Body], body: Mapping[str, object], status: int) -> Body:
    """The body as a model; raises Refused with one sentence about the first thing that is wrong."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise Refused(status, f"{where}: {message}" if where else message) from None


async def answered(sandbox: Sandbox, wire: Wire, operation: Operation, prompt: str, handler: Handler) -> Response:
    """The handler's answer, unless a fault spoils it."""
    fault = sandbox.spoiling(wire, operation, prompt)
    if fault is None:
        return await _carried_out(handler)
    sandbox.stats.counts[f"fault_{fault.kind.value}"] += 1
    answer = await _carried_out(handler) if fault.carried_out or fault.kind is FaultKind.LATE else None
    if fault.kind is FaultKind.LATE and answer:
        await sandbox.clock.sleep(fault.seconds)
        return answer
    return spoilt(fault, answer)


async def _carried_out(handler: Handler) -> Response:
    try:
        return await handler()
    except Refused as refused:
        return problem(refused.status, refused.detail, refused.headers)


def spoilt(fault: Fault, answer: Response | None) -> Response:
    """What the client gets instead of the answer; raises ConnectionBroken where that is nothing."""
    status = answer.status_code if answer and "status" not in fault.model_fields_set else fault.status
    match fault.kind:
        case FaultKind.DROP:
            raise ConnectionBroken
        case FaultKind.HTML:
            return Response(fault.body or PAGE, status, fault.headers, "text/html")
        case FaultKind.EMPTY:
            return Response(b"", status, fault.headers, "application/json")
        case FaultKind.MALFORMED:
            body = bytes(answer.body) if answer else b'{"id": "0b8f0f7e-5f0e-4c51", "state": "dre'
            return Response(body[: max(1, len(body) // 2)], status, fault.headers, "application/json")
    if fault.body is not None:
        return Response(fault.body, fault.status, fault.headers, "application/json")
    return problem(fault.status, fault.detail or DETAILS.get(fault.status, "Error"), fault.headers)


class Breaking:
    """ASGI middleware that turns ConnectionBroken into a broken connection.

    Served by `app.server`, the socket is closed with no byte of an answer (another server would answer 500). In
    process, over `httpx.ASGITransport`, the caller gets what httpx raises for it: `httpx.RemoteProtocolError`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self.app(scope, receive, send)
        except ConnectionBroken:
            if TRANSPORT not in scope:
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.") from None
            scope[TRANSPORT].close()
            # Returning before the server has noticed would make it answer 500.
            while (await receive())["type"] != "http.disconnect":
                pass
