"""Luma's callbacks: a doorbell."""

from typing import Annotated

from fastapi import APIRouter, Path

from api.deps import RecordsDep

router = APIRouter(tags=["luma"])


@router.post("/luma/callback/{token}", status_code=200)
async def ring(token: Annotated[str, Path(max_length=200)], records: RecordsDep) -> dict[str, str]:
    """Wake whoever waits for this attempt. Always 200, and the body is never read: polling stays the truth."""
    await records.ring(token)
    return {"status": "ok"}
