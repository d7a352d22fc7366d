"""What the service can do and whether it is well."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from fastapi import APIRouter, Response

from api.deps import PrefectDep, StudioDep
from api.integrity import STATEMENT
from api.readiness import checks
from api.schemas import Capabilities, Choice, Readiness
from tasks.options import (
    MAX_PROMPT,
    MAX_SCENES,
    MAX_SCRIPT,
    MIN_SCRIPT,
    AspectRatio,
    Duration,
    Model,
    Resolution,
    VideoOptions,
)
from tasks.settings import on_loopback
from tasks.styles import STYLES

router = APIRouter(tags=["system"])


@router.get("/capabilities")
async def capabilities(studio: StudioDep) -> Capabilities:
    """Everything a form needs; changes only with a new version or configuration."""
    return Capabilities(
        min_script=MIN_SCRIPT,
        max_script=MAX_SCRIPT,
        max_prompt=MAX_PROMPT,
        max_scenes=MAX_SCENES,
        defaults=VideoOptions(),
        models=_choices(Model),
        aspect_ratios=_choices(AspectRatio),
        resolutions=_choices(Resolution),
        durations=_choices(Duration),
        styles=_choices(STYLES),
        integrity_statement=STATEMENT,
        sandbox=on_loopback(studio.settings.luma_base_url),
        prefect_ui_url=studio.settings.prefect_ui_url,
    )


def _choices(values: Iterable[str] | type[StrEnum]) -> list[Choice]:
    return [Choice(value=str(value), label=_label(str(value))) for value in values]


def _label(value: str) -> str:
    return value.removesuffix("s") + " seconds" if value in set(Duration) else value[:1].upper() + value[1:]


@router.get("/health")
@router.head("/health", include_in_schema=False)
async def health() -> dict[Literal["status"], str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/ready", responses={503: {"model": Readiness, "description": "A job would wait; `checks` says for what."}})
@router.head("/ready", include_in_schema=False)
async def ready(studio: StudioDep, prefect: PrefectDep, response: Response) -> Readiness:
    """200 when a job would run now."""
    found = await checks(studio, prefect)
    well = all(check.ok for check in found)
    response.status_code = 200 if well else 503
    return Readiness(status="ready" if well else "not ready", checks=found)
