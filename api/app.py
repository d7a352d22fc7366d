"""The API: `create_app()`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import httpx
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_swagger import patch_fastapi

from api import openapi, problems
from api.bootstrap import studio
from api.dispatch import Dispatcher
from api.events import JobWatch, QueuePlaces
from api.forecast import Limits
from api.middleware import BodyLimit, RequestId
from api.pages import Pages
from api.prefect_api import PrefectApi
from api.routes import metrics, router
from tasks.settings import Settings

_DESCRIPTION: Final = """\
A script in, a film out. `POST /api/generate` answers with a job id at once; follow it by polling `GET /api/job/{jobId}`
every two seconds or by its event stream, and play the film from `results.film.videoUrl`.

Every error is a problem (RFC 9457): `detail` is one clear sentence, `code` is stable. Clients should tolerate fields
and enum values that they don't know.
"""
DOCS: Final = "/api/docs"
_SWAGGER: Final = {
    "swagger_js_url": f"{DOCS}/swagger-ui-bundle.js",
    "swagger_css_url": f"{DOCS}/swagger-ui.css",
    "swagger_favicon_url": f"{DOCS}/favicon.png",
}


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
        async with studio(settings, luma_transport=luma_transport, prefect_transport=prefect_transport) as opened:
            prefect = PrefectApi(settings, prefect_transport)
            limits = Limits(opened.settings.luma_concurrency, opened.settings.luma_creates_per_minute)
            dispatcher, watch = Dispatcher(opened.records, prefect), JobWatch(opened.records)
            app.state.studio, app.state.prefect, app.state.dispatcher = opened, prefect, dispatcher
            app.state.watch, app.state.places = watch, QueuePlaces(opened.records, opened.account, limits)
            async with dispatcher.running(), opened.account.watched(), opened.media.swept():
                yield
            await app.state.places.close()
            await watch.close()
            await prefect.close()

    app = FastAPI(
        title="Storyreel",
        version=_version(),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # see `patch_fastapi`: Swagger UI from here, not from somebody's CDN
        swagger_ui_oauth2_redirect_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=openapi.PROBLEMS,
    )
    problems.install(app)
    openapi.install(app)
    patch_fastapi(app, DOCS, redirect_from_root_to_docs=False, **_SWAGGER)
    app.include_router(router)
    app.include_router(metrics.router)
    app.include_router(Pages().router())
    app.add_middleware(BodyLimit)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["ETag", "Location", "Retry-After", "X-Request-Id"],
        )
    app.add_middleware(RequestId)
    return app


def _version() -> str:
    try:
        return version("storyreel")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"
