"""The storyboard before anything is spent."""

from fastapi import APIRouter

from api.deps import StudioDep
from api.planning import plan
from api.schemas import Plan, PlanRequest

router = APIRouter(tags=["storyboard"])


@router.post("/storyboard")
async def plan_storyboard(body: PlanRequest, studio: StudioDep) -> Plan:
    """Cut a script into scenes and say what they would cost; spends nothing and keeps nothing."""
    return await plan(body, studio.prices)
