"""The admin API under `/_sandbox`: look at what happened, change the rules, move the clock, script faults."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.sandbox import agents, dream_machine
from deployments.sandbox.clock import rfc3339
from deployments.sandbox.faults import MARKERS, Fault
from deployments.sandbox.generations import Generation
from deployments.sandbox.sandbox import Sandbox
from deployments.sandbox.wire import base_url, checked, json_object, sandbox_of


class Advance(BaseModel):
    """How far to move the clock."""

    model_config = ConfigDict(extra="forbid")

    advance: Annotated[float, Field(ge=0, allow_inf_nan=False, description="Seconds.")]


class Script(BaseModel):
    """Faults to put in force."""

    model_config = ConfigDict(extra="forbid")

    faults: Annotated[list[Fault], Field(min_length=1)]


async def read_config(request: Request) -> Response:
    """GET /_sandbox/config."""
    return JSONResponse(sandbox_of(request).config.model_dump(mode="json"))


async def write_config(request: Request) -> Response:
    """PUT /_sandbox/config: the given fields change, the others stay."""
    sandbox = sandbox_of(request)
    try:
        sandbox.config = sandbox.config.changed(**await json_object(request))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return JSONResponse({"detail": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 422)
    return await read_config(request)


async def charges(request: Request) -> Response:
    """GET /_sandbox/charges: every charge and refund, oldest first."""
    sandbox = sandbox_of(request)
    return JSONResponse(sandbox.charges.as_json(sandbox.clock.time()))


def _generation(sandbox: Sandbox, generation: Generation, base: str) -> dict[str, Any]:
    wire = dream_machine if generation.order.wire == "dream-machine" else agents
    view = wire.generation_json(sandbox, generation, sandbox.clock.time(), base)
    return {**view, "wire": generation.order.wire, "key": generation.order.key, "deleted": generation.deleted}


async def generations(request: Request) -> Response:
    """GET /_sandbox/generations: all of all accounts, oldest first, as their wire shows them."""
    sandbox, base = sandbox_of(request), base_url(request)
    return JSONResponse({"generations": [_generation(sandbox, g, base) for g in sandbox.generations.values()]})


async def stats(request: Request) -> Response:
    """GET /_sandbox/stats."""
    return JSONResponse(sandbox_of(request).stats_json())


async def clock(request: Request) -> Response:
    """GET and POST /_sandbox/clock: read it, or move it forward by {"advance": seconds}."""
    sandbox = sandbox_of(request)
    if request.method == "POST":
        sandbox.clock.advance(checked(Advance, await json_object(request), 422).advance)
    return JSONResponse({"now": rfc3339(sandbox.clock.time())})


async def faults(request: Request) -> Response:
    """GET, POST and DELETE /_sandbox/faults: read, add one (or {"faults": [...]}), or clear."""
    sandbox = sandbox_of(request)
    if request.method == "DELETE":
        sandbox.faults.clear()
    elif request.method == "POST":
        body = await json_object(request)
        for fault in checked(Script, body if "faults" in body else {"faults": [body]}, 422).faults:
            sandbox.faults.add(fault)
    markers = {word: marker.meaning for word, marker in MARKERS.items()}
    return JSONResponse({"faults": sandbox.faults.as_json(), "markers": markers})


async def reset(request: Request) -> Response:
    """POST /_sandbox/reset: forget everything but config and clock."""
    sandbox_of(request).reset()
    return Response(status_code=204)


ROUTES: Final = [
    Route("/config", read_config, methods=["GET"]),
    Route("/config", write_config, methods=["PUT"]),
    Route("/charges", charges, methods=["GET"]),
    Route("/generations", generations, methods=["GET"]),
    Route("/stats", stats, methods=["GET"]),
    Route("/clock", clock, methods=["GET", "POST"]),
    Route("/faults", faults, methods=["GET", "POST", "DELETE"]),
    Route("/reset", reset, methods=["POST"]),
]
