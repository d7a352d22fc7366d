"""Would a job run now? One check per part the service stands on."""

import asyncio
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from api.bootstrap import Studio
from api.database import AWAY
from api.prefect_api import PrefectApi
from api.prefect_http import PrefectAway
from api.schemas import Check
from tasks.luma import LumaError

LUMA_SECONDS: Final = 3.0
_BROKEN: Final[tuple[type[Exception], ...]] = (SQLAlchemyError, *AWAY)


async def checks(studio: Studio, prefect: PrefectApi) -> list[Check]:
    """All checks, side by side."""
    return list(await asyncio.gather(_ledger(studio), _worker(prefect), _luma(studio)))


async def _ledger(studio: Studio) -> Check:
    try:
        current = await studio.records.database.current()
    except _BROKEN as error:
        return Check(name="ledger", ok=False, detail=f"The database can't be reached ({type(error).__name__}).")
    detail = "The schema is current." if current else "The schema is not current: run “storyreel migrate”."
    return Check(name="ledger", ok=current, detail=detail)


async def _worker(prefect: PrefectApi) -> Check:
    try:
        status = await prefect.deployment_status()
    except PrefectAway as error:
        return Check(name="prefect", ok=False, detail=str(error))
    detail = "A worker takes runs." if status == "READY" else "No worker has asked for runs lately."
    return Check(name="prefect", ok=status == "READY", detail=detail)


async def _luma(studio: Studio) -> Check:
    try:
        hold = await studio.records.held(studio.account.name)
    except AWAY:  # told by its own check
        hold = studio.account.hold
    if hold:
        return Check(name="luma", ok=False, detail=f"All jobs wait: {hold.reason}")
    try:
        async with asyncio.timeout(LUMA_SECONDS):
            await studio.luma.ping()
    except TimeoutError:
        return Check(name="luma", ok=False, detail="Luma does not answer.")
    except LumaError as error:
        return Check(name="luma", ok=False, detail=str(error))
    return Check(name="luma", ok=True, detail="Luma answers and takes the key.")
