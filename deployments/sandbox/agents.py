"""The Agents wire: create and get alone, with rate headers, failure codes and URLs that live one hour."""

import math
from typing import Annotated, Any, Final, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.sandbox.account import WINDOW_SECONDS, Limits, Refused
from deployments.sandbox.assets import asset_url
from deployments.sandbox.charges import agents_micros
from deployments.sandbox.clock import rfc3339
from deployments.sandbox.generations import Generation, Order, Shape, State
from deployments.sandbox.sandbox import Sandbox
from deployments.sandbox.wire import answered, base_url, checked, json_object, prompt_of, sandbox_of

WIRE: Final = "agents"
PREFIX: Final = "/v1"
API_VERSION: Final = "2026-04-01"
URL_SECONDS: Final = 3600.0
ASPECT_RATIOS: Final = ("9:16", "3:4", "1:1", "4:3", "16:9", "21:9")


class StartFrame(BaseModel):
    """Where the clip begins: a completed generation of one's own, or a picture."""

    generation_id: str | None = None
    url: str | None = None
    data: str | None = None


class VideoOptions(BaseModel):
    """The clip's shape."""

    resolution: Literal["360p", "540p", "720p", "1080p"] = "720p"
    duration: Literal["5s", "10s"] = "5s"
    loop: bool | None = None
    start_frame: StartFrame | None = None


class GenerationRequest(BaseModel):
    """The body of a create, as far as its errors aren't worded by the API itself."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["video"] = "video"
    model: str = "ray-3.2"
    prompt: str
    aspect_ratio: str | None = None
    user_id: str | None = None
    video: Annotated[VideoOptions | None, Field(validate_default=True)] = None


def check(asked: GenerationRequest) -> None:
    """Raise Refused in the API's own words."""
    if asked.model != "ray-3.2":
        raise Refused(400, f"Unknown model: {asked.model}")
    if not 1 <= len(asked.prompt) <= 6000:
        raise Refused(400, "Prompt must be between 1 and 6000 characters")
    if asked.aspect_ratio is not None and asked.aspect_ratio not in ASPECT_RATIOS:
        raise Refused(400, f"Invalid aspect_ratio '{asked.aspect_ratio}'. Valid: {', '.join(ASPECT_RATIOS)}")
    if asked.video and asked.video.loop and asked.video.duration == "10s":
        raise Refused(422, "loop is not supported with duration=10s")


def order_of(asked: GenerationRequest, key: str, base: str) -> Order:
    """The order behind a checked body."""
    video = asked.video or VideoOptions()
    shape = Shape.of(video.resolution, asked.aspect_ratio or "16:9", video.duration)
    cost = agents_micros(video.resolution, shape.seconds)
    return Order(WIRE, key, asked.prompt, asked.model, shape, cost, base, request=asked.model_dump(mode="json"))


def generation_json(sandbox: Sandbox, generation: Generation, now: float, base: str) -> dict[str, Any]:
    """A Generation as of `now`; every call signs a fresh URL."""
    state, plan = generation.state(now), generation.plan
    output = []
    if state is State.COMPLETED and not plan.without_assets:
        output = [{"type": "video", "url": asset_url(sandbox, generation, "clip.mp4", now + URL_SECONDS, base)}]
    failure = plan.failure if state is State.FAILED else None
    return {
        "id": generation.id,
        "type": "video",
        "state": (plan.running_word or "processing") if state is State.RUNNING else state.value,
        "model": generation.order.model,
        "created_at": rfc3339(generation.created_at),
        "output": output,
        "failure_reason": failure.reason if failure else None,
        "failure_code": failure.code if failure else None,
    }


def _key(request: Request) -> str:
    return sandbox_of(request).account_key(request.headers.get("authorization"), "Missing or invalid API key")


def _check_start(sandbox: Sandbox, key: str, video: VideoOptions | None) -> None:
    if not (video and video.start_frame and video.start_frame.generation_id):
        return
    known = sandbox.own(WIRE, key, video.start_frame.generation_id)
    if known.state(sandbox.clock.time()) is not State.COMPLETED:
        raise Refused(422, "start_frame: the generation is not completed")


def rate_headers(sandbox: Sandbox, key: str) -> dict[str, str]:
    """The rate limit after a create: its size, what is left, and when (Unix seconds) the oldest one leaves."""
    limit = Limits.of(sandbox.config, WIRE).creates_per_minute
    recent = sandbox.accounts[WIRE, key].recent
    if not limit or not recent:
        return {}
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, limit - len(recent))),
        "X-RateLimit-Reset": str(math.ceil(recent[0] + WINDOW_SECONDS)),
    }


async def create(request: Request) -> Response:
    """POST /generations: 201 and a Generation."""
    sandbox = sandbox_of(request)
    sandbox.stats.counts["posts"] += 1
    key, body = _key(request), await json_object(request)

    async def carry_out() -> Response:
        asked = checked(GenerationRequest, body, 422)
        check(asked)
        _check_start(sandbox, key, asked.video)
        base = base_url(request)
        generation = sandbox.submit(
            order_of(asked, key, base), lambda told, when: generation_json(sandbox, told, when, base)
        )
        answer = generation_json(sandbox, generation, sandbox.clock.time(), base)
        headers = rate_headers(sandbox, key)
        await sandbox.clock.sleep(sandbox.config.submit_seconds)
        return JSONResponse(answer, 201, headers)

    return await answered(sandbox, WIRE, "create", prompt_of(body), carry_out)


async def get(request: Request) -> Response:
    """GET /generations/{id}."""
    sandbox = sandbox_of(request)
    generation = sandbox.own(WIRE, _key(request), request.path_params["id"])
    sandbox.stats.counts["polls"] += 1

    async def carry_out() -> Response:
        return JSONResponse(generation_json(sandbox, generation, sandbox.clock.time(), base_url(request)))

    return await answered(sandbox, WIRE, "get", generation.order.prompt, carry_out)


class VersionHeaders:
    """ASGI middleware: every answer under `PREFIX` carries its request's id (echoed or new) and the API's version."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{PREFIX}/"):
            await self.app(scope, receive, send)
            return
        request_id = Request(scope).headers.get("x-request-id") or str(uuid4())

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["X-API-Version"] = API_VERSION
            await send(message)

        await self.app(scope, receive, send_with_headers)


ROUTES: Final = [
    Route("/generations", create, methods=["POST"]),
    Route("/generations/{id}", get, methods=["GET"]),
]
