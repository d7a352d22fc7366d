"""The Dream Machine wire: generations with a list and callbacks, credits, ping, concepts."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.sandbox.account import Refused
from deployments.sandbox.assets import asset_url
from deployments.sandbox.charges import MICROS_PER_CENT
from deployments.sandbox.clock import rfc3339
from deployments.sandbox.dream_machine_models import (
    CAMERA_MOTIONS,
    CONCEPTS,
    GenerationFrame,
    GenerationRequest,
    Keyframes,
    order_of,
)
from deployments.sandbox.faults import Operation
from deployments.sandbox.generations import Generation, State
from deployments.sandbox.sandbox import Sandbox
from deployments.sandbox.wire import answered, base_url, checked, json_object, prompt_of, sandbox_of

WIRE: Final = "dream-machine"
PREFIX: Final = "/dream-machine/v1"
MAX_LIMIT: Final = 100


def generation_json(sandbox: Sandbox, generation: Generation, now: float, base: str) -> dict[str, Any]:
    """A Generation as of `now`."""
    state, plan = generation.state(now), generation.plan
    assets = None
    if state is State.COMPLETED and not plan.without_assets:
        expires = now + sandbox.config.url_seconds
        video, image = (asset_url(sandbox, generation, name, expires, base) for name in ("clip.mp4", "thumb.jpg"))
        assets = {"video": video, "image": image, "progress_video": None}
    word = (plan.running_word or "dreaming") if state is State.RUNNING else state.value
    return {
        "id": generation.id,
        "generation_type": "video",
        "state": word,
        "failure_reason": plan.failure.reason if plan.failure and state is State.FAILED else None,
        "created_at": rfc3339(generation.created_at),
        "model": generation.order.model,
        "assets": assets,
        "request": generation.order.request,
    }


def _key(request: Request) -> str:
    return sandbox_of(request).account_key(request.headers.get("authorization"), "Not authenticated")


def _view(request: Request, generation: Generation) -> dict[str, Any]:
    sandbox = sandbox_of(request)
    return generation_json(sandbox, generation, sandbox.clock.time(), base_url(request))


def _check_keyframes(sandbox: Sandbox, key: str, keyframes: Keyframes | None) -> None:
    for frame in (keyframes.frame0, keyframes.frame1) if keyframes else ():
        if isinstance(frame, GenerationFrame):
            try:
                known = sandbox.own(WIRE, key, frame.id)
            except Refused:
                raise Refused(400, "Keyframe generation not found") from None
            if known.state(sandbox.clock.time()) is not State.COMPLETED:
                raise Refused(400, "Keyframe generation is not completed")


async def create(request: Request) -> Response:
    """POST /generations and /generations/video: 201 and a Generation, charged before it runs."""
    sandbox = sandbox_of(request)
    sandbox.stats.counts["posts"] += 1
    key, body = _key(request), await json_object(request)

    async def carry_out() -> Response:
        asked = checked(GenerationRequest, body, 400)
        _check_keyframes(sandbox, key, asked.keyframes)
        base = base_url(request)
        try:
            generation = sandbox.submit(
                order_of(asked, key, base), lambda told, when: generation_json(sandbox, told, when, base)
            )
        except Refused as refused:
            raise Refused(refused.status, refused.detail) from None  # this wire documents no headers on a 429
        answer = _view(request, generation)
        await sandbox.clock.sleep(sandbox.config.submit_seconds)
        return JSONResponse(answer, 201)

    return await answered(sandbox, WIRE, "create", prompt_of(body), carry_out)


async def get(request: Request) -> Response:
    """GET /generations/{id}."""
    sandbox = sandbox_of(request)
    generation = sandbox.own(WIRE, _key(request), request.path_params["id"])
    sandbox.stats.counts["polls"] += 1

    async def carry_out() -> Response:
        return JSONResponse(_view(request, generation))

    return await answered(sandbox, WIRE, "get", generation.order.prompt, carry_out)


async def delete(request: Request) -> Response:
    """DELETE /generations/{id}: the record goes; the work goes on and stays paid."""
    sandbox = sandbox_of(request)
    generation = sandbox.own(WIRE, _key(request), request.path_params["id"])
    sandbox.stats.counts["deletes"] += 1

    async def carry_out() -> Response:
        sandbox.delete(generation)
        return Response(status_code=204)

    return await answered(sandbox, WIRE, "delete", generation.order.prompt, carry_out)


def _page(request: Request, name: str, default: int, lowest: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or int(text) < lowest:
        raise Refused(400, f"{name} must be a whole number of at least {lowest}")
    return int(text)


async def list_generations(request: Request) -> Response:
    """GET /generations?limit&offset: newest first."""
    sandbox, key = sandbox_of(request), _key(request)
    sandbox.stats.counts["lists"] += 1

    async def carry_out() -> Response:
        limit, offset = min(_page(request, "limit", MAX_LIMIT, 1), MAX_LIMIT), _page(request, "offset", 0, 0)
        found = list(sandbox.listed(WIRE, key))
        page = [_view(request, generation) for generation in found[offset : offset + limit]]
        more = offset + limit < len(found)
        return JSONResponse(
            {"has_more": more, "count": len(page), "limit": limit, "offset": offset, "generations": page}
        )

    return await answered(sandbox, WIRE, "list", "", carry_out)


def _fixed(operation: Operation, answer: object) -> Any:
    """An endpoint whose answer never changes."""

    async def endpoint(request: Request) -> Response:
        _key(request)

        async def carry_out() -> Response:
            return JSONResponse(answer)

        return await answered(sandbox_of(request), WIRE, operation, "", carry_out)

    return endpoint


async def credit_balance(request: Request) -> Response:
    """GET /credits: what the account has left, in US cents."""
    sandbox, key = sandbox_of(request), _key(request)

    async def carry_out() -> Response:
        return JSONResponse({"credit_balance": sandbox.balance_micros(WIRE, key) / MICROS_PER_CENT})

    return await answered(sandbox, WIRE, "credits", "", carry_out)


ROUTES: Final = [
    Route("/generations", create, methods=["POST"]),
    Route("/generations/video", create, methods=["POST"]),
    Route("/generations", list_generations, methods=["GET"]),
    Route("/generations/concepts/list", _fixed("list", CONCEPTS), methods=["GET"]),
    Route("/generations/camera_motion/list", _fixed("list", CAMERA_MOTIONS), methods=["GET"]),
    Route("/generations/{id}", get, methods=["GET"]),
    Route("/generations/{id}", delete, methods=["DELETE"]),
    Route("/credits", credit_balance, methods=["GET"]),
    Route("/ping", _fixed("ping", {"message": "pong"}), methods=["GET"]),
]
