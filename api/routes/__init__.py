"""Routes: parse, call, answer."""

from fastapi import APIRouter

from api.routes import jobs, legacy, library, luma, media, plan, system

router = APIRouter(prefix="/api")
for part in (plan, jobs, library, media, luma, legacy, system):
    router.include_router(part.router)
