"""Errors on the wire: RFC 9457 problem details, one clear sentence each; `error` = `detail` for the old frontend."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.database import AWAY
from api.records import JobNotFound, KeyReused, MoveRefused, SceneNotFound
from api.records.jobs import BadCursor
from api.records.library import VideoNotFound
from tasks.logs import bound

log = logging.getLogger("storyreel.api")

MAX_BODY: Final = 256 * 1024  # bytes

CODES: Final[dict[str, str]] = {
    "invalid_request": "The body, a parameter or an option is not valid; `errors` says where.",
    "malformed_body": "The body is not JSON.",
    "unsupported_media_type": "The body is not declared as JSON.",
    "body_too_large": "The body is larger than the service takes.",
    "not_found": "There is nothing at this address.",
    "job_not_found": "There is no such job.",
    "scene_not_found": "The job has no such scene or take.",
    "video_not_found": "There is no such film in the library.",
    "media_not_found": "There is no such media file.",
    "method_not_allowed": "This address does not take that method.",
    "move_refused": "The job's status does not allow that now.",
    "idempotency_key_reused": "The Idempotency-Key came before with another body.",
    "over_max_cost": "The storyboard would cost more than `maxCostUsd`.",
    "bad_range": "The Range header can't be read, or asks for bytes that the file does not have.",
    "unavailable": "The ledger can't be reached just now; nothing was changed.",
    "internal_error": "Something went wrong on our side.",
}


class ProblemView(BaseModel):
    """An error as every endpoint answers it (`application/problem+json`)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="One clear sentence for a person.")
    code: str = Field(description="Stable; one of: " + "; ".join(f"`{code}`: {why}" for code, why in CODES.items()))
    error: str = Field(description="The same as `detail`.")
    request_id: str | None = Field(None, alias="requestId")
    errors: list[dict[str, Any]] | None = None


class Problem(Exception):
    """Answer with this problem."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers


class StreamEnded(Exception):
    """Nothing will ever follow what this follower has seen: 204, which tells a browser not to come again."""


def problem(request: Request, error: Problem, errors: list[dict[str, Any]] | None = None) -> JSONResponse:
    """The problem as a response."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "error": error.detail,
        "requestId": request.scope.get("state", {}).get("request_id"),
    }
    if errors:
        body["errors"] = errors
    headers = {**(error.headers or {})}
    if body["requestId"]:  # errors nobody foresaw are answered outside of the middleware that stamps the others
        headers["X-Request-Id"] = body["requestId"]
    return JSONResponse(body, error.status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Every error leaves as a problem, and none with a stack trace."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def _problem(request: Request, error: Any) -> JSONResponse:
    return problem(request, error)


async def _invalid(request: Request, error: Any) -> JSONResponse:
    found = error.errors()
    if found[0]["type"] == "json_invalid":
        return problem(request, Problem(400, "malformed_body", "The body is not valid JSON."))
    if isinstance(error.body, bytes):
        detail = "Send the body as JSON, with the header “Content-Type: application/json”."
        return problem(request, Problem(415, "unsupported_media_type", detail))
    where = [{"at": _place(fault["loc"]), "message": _message(fault)} for fault in found]
    return problem(request, Problem(422, "invalid_request", _sentence(found[0])), where)


def _place(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location if part not in ("body", "query", "path", "header"))


def _message(fault: Any) -> str:
    return str(fault["msg"]).removeprefix("Value error, ")


def _sentence(fault: Any) -> str:
    """One sentence; our own validators write whole ones, Pydantic's need to be told of what they speak."""
    message, place = _message(fault), _place(fault["loc"])
    if fault["type"] == "value_error":
        return message[:1].upper() + message[1:].rstrip(".") + "."
    told = _TOLD.get(fault["type"], "is not valid: {message}.")
    facts = {**fault.get("ctx", {}), "message": message[:1].lower() + message[1:].rstrip(".")}
    return (f"“{place}” " if place else "The body ") + told.format(**facts)


_TOLD: Final = {
    "missing": "is missing.",
    "extra_forbidden": "is not known here.",
    "enum": "must be {expected}.",
    "literal_error": "must be {expected}.",
    "string_type": "must be text.",
    "string_too_short": "must have at least {min_length} characters.",
    "string_too_long": "may have at most {max_length} characters.",
    "too_short": "must hold at least {min_length}.",
    "too_long": "may hold at most {max_length}, and this holds {actual_length}.",
    "list_type": "must be a list.",
    "dict_type": "must be a JSON object.",
    "model_type": "must be a JSON object.",
    "model_attributes_type": "must be a JSON object.",
    "bool_type": "must be true or false.",
    "bool_parsing": "must be true or false.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "int_parsing_size": "is too large a number.",
    "float_type": "must be a number.",
    "float_parsing": "must be a number.",
    "finite_number": "must be a number, and not a limitless one.",
    "greater_than": "must be more than {gt}.",
    "greater_than_equal": "must be at least {ge}.",
    "less_than_equal": "may be at most {le}.",
    "uuid_parsing": "is not an id.",
    "uuid_type": "is not an id.",
}
"""The ends of sentences, by Pydantic's type of fault."""


async def _http(request: Request, error: Any) -> JSONResponse:
    code, detail = _KNOWN.get(error.status_code, ("invalid_request", f"{error.detail}".rstrip(".") + "."))
    return problem(request, Problem(error.status_code, code, detail, error.headers))


_KNOWN: Final = {
    400: ("malformed_body", "The body can't be read as JSON."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    413: ("body_too_large", f"The body is larger than {MAX_BODY // 1024} KiB."),
}


async def _no_job(request: Request, _: Any) -> JSONResponse:
    return problem(request, Problem(404, "job_not_found", "Job not found."))


async def _no_scene(request: Request, error: Any) -> JSONResponse:
    return problem(request, Problem(404, "scene_not_found", str(error)))


async def _no_video(request: Request, _: Any) -> JSONResponse:
    return problem(request, Problem(404, "video_not_found", "Video not found."))


async def _ended(_: Request, __: Any) -> Response:
    return Response(status_code=204)


async def _refused(request: Request, error: Any) -> JSONResponse:
    return problem(request, Problem(409, "move_refused", str(error)))


async def _reused(request: Request, _: Any) -> JSONResponse:
    detail = "This Idempotency-Key was used before for another request; send a new key."
    return problem(request, Problem(422, "idempotency_key_reused", detail))


async def _cursor(request: Request, error: Any) -> JSONResponse:
    return problem(request, Problem(422, "invalid_request", str(error)))


async def _away(request: Request, error: Any) -> JSONResponse:
    log.error("the ledger can't be reached: %s", type(error).__name__)
    detail = "The ledger can't be reached just now, and nothing was changed. Please try again in a moment."
    return problem(request, Problem(503, "unavailable", detail, {"Retry-After": "2"}))


async def _unexpected(request: Request, error: Any) -> JSONResponse:
    with bound(request=request.scope.get("state", {}).get("request_id")):  # outside of the middleware that bound it
        log.error("unexpected error", exc_info=error)
    return problem(request, Problem(500, "internal_error", "Something went wrong on our side. Please try again."))


_HANDLERS: Final[dict[Any, Any]] = {
    Problem: _problem,
    StreamEnded: _ended,
    RequestValidationError: _invalid,
    HTTPException: _http,
    JobNotFound: _no_job,
    SceneNotFound: _no_scene,
    VideoNotFound: _no_video,
    MoveRefused: _refused,
    KeyReused: _reused,
    BadCursor: _cursor,
    **dict.fromkeys(AWAY, _away),
    Exception: _unexpected,
}
