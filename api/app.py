"""The API: `create_app()`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles

from api import problems
from api.bootstrap import studio
from api.dispatch import Dispatcher
from api.events import JobWatch, QueuePlaces
from api.middleware import BodyLimit, RequestId
from api.prefect_api import PrefectApi
from api.problems import ProblemView
from api.routes import router
from tasks.settings import Settings

STUDIO: Final = Path(__file__).parent / "studio"

_DESCRIPTION: Final = """\
A script in, a film out. `POST /api/generate` answers with a job id at once; follow it by polling `GET /api/job/{jobId}`
every two seconds or by its event stream, and play the film from `results.film.videoUrl`.

Every error is a problem (RFC 9457): `detail` is one clear sentence, `code` is stable. Clients should tolerate fields
and enum values that they don't know.
"""


def create_app(
    settings: Settings | None = None,
    *,
    luma_transport: httpx.AsyncBaseTransport | None = None,
    prefect_transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """The API over these settings; the transports take the network's place in tests."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with studio(settings, luma_transport=luma_transport) as opened:
            prefect = PrefectApi(settings, prefect_transport)
            dispatcher, watch = Dispatcher(opened.records, prefect), JobWatch(opened.records)
            app.state.studio, app.state.prefect, app.state.dispatcher = opened, prefect, dispatcher
            app.state.watch, app.state.places = watch, QueuePlaces(opened.records)
            async with dispatcher.running():
                yield
            await watch.close()
            await prefect.close()

    app = FastAPI(
        title="Storyreel",
        version=_version(),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url="/api/docs",
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=_PROBLEMS,
    )
    problems.install(app)
    app.include_router(router)
    if (STUDIO / "index.html").exists():
        app.mount("/", StaticFiles(directory=STUDIO, html=True))
    app.add_middleware(BodyLimit)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(RequestId)
    return app


def _version() -> str:
    try:
        return version("storyreel")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"


_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {
        "description": "A problem with the request.",
        "model": ProblemView,
        "content": {"application/problem+json": {}},
    },
    "5XX": {"description": "A problem on our side.", "model": ProblemView, "content": {"application/problem+json": {}}},
}
