"""Luma's callbacks: a doorbell."""

import logging
import re
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path

from api.database import AWAY
from api.deps import RecordsDep

log = logging.getLogger("storyreel.api")

_TOKEN: Final = re.compile(r"[\w-]{1,100}", re.ASCII)

router = APIRouter(tags=["luma"])


@router.post("/luma/callback/{token}", status_code=200)
async def ring(
    token: Annotated[str, Path(description="As Luma was given it.")], records: RecordsDep
) -> dict[Literal["status"], str]:
    """Wake whoever waits for this attempt. Always 200, and the body is never read: polling stays the truth."""
    if _TOKEN.fullmatch(token):
        try:
            await records.ring(token)
        except AWAY:
            log.warning("a callback was not heard: the ledger is away")
    return {"status": "ok"}
