"""A script planned and priced: what the page shows is what a job will do."""

import asyncio

from api.problems import Problem
from api.schemas import GenerateRequest, Plan, PlannedScene, PlanRequest
from api.views import usd
from tasks.luma import Prices
from tasks.storyboard import make_storyboard


async def plan(request: PlanRequest, prices: Prices) -> Plan:
    """The storyboard with its price; cutting is work for a thread."""
    board = await asyncio.to_thread(make_storyboard, request.script, request.options, request.storyboard or ())
    each = prices.price_micros(request.options)
    return Plan(
        **board.model_dump(exclude={"scenes"}),
        scenes=[
            PlannedScene(
                **scene.model_dump(exclude={"number"}),
                scene_number=scene.number,
                scene_index=scene.number - 1,
                cost_usd=usd(each),
            )
            for scene in board.scenes
        ],
        cost_usd=usd(each * len(board.scenes)),
        duration_seconds=sum(scene.duration_seconds for scene in board.scenes),
    )


async def check_cost(request: GenerateRequest, prices: Prices) -> None:
    """Raise a problem when the film would cost more than the caller allows."""
    if request.max_cost_usd is None:
        return
    planned = await plan(request, prices)
    if planned.cost_usd > request.max_cost_usd:
        detail = f"This film would cost ${planned.cost_usd:.2f}, more than the ${request.max_cost_usd:.2f} you allow."
        raise Problem(422, "over_max_cost", detail)
