"""The sandbox as an ASGI app and as a server.

`create_sandbox` serves in process through `httpx.ASGITransport`, and `server` over a socket. Dream Machine is
under `/dream-machine/v1`, Agents under `/v1`, the admin API under `/_sandbox`.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, cast

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deployments.sandbox import admin, agents, dream_machine
from deployments.sandbox.account import Refused
from deployments.sandbox.assets import download
from deployments.sandbox.clock import Clock
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.index import page
from deployments.sandbox.journal import Journal
from deployments.sandbox.sandbox import Sandbox
from deployments.sandbox.wire import TRANSPORT, Breaking, base_url, problem


def create_sandbox(
    config: SandboxConfig | None = None,
    clock: Clock | None = None,
    *,
    callback_transport: httpx.AsyncBaseTransport | None = None,
    journal: Journal | None = None,
) -> Starlette:
    """A sandbox of its own, with its state on `app.state.sandbox`; `callback_transport` takes its callbacks in process.

    With a `journal` it is the same sandbox again after a restart.
    Close `app.state.sandbox` with `aclose()` where no server runs the app's lifespan and callbacks are used.
    """
    sandbox = Sandbox(config or SandboxConfig(), clock, callback_transport, journal)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sandbox.draws_ahead = True
        yield
        await sandbox.aclose()

    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(Breaking), Middleware(agents.VersionHeaders)],
        exception_handlers={Refused: _refused, HTTPException: _http_error},
        lifespan=lifespan,
    )
    app.state.sandbox = sandbox
    return app


async def index(request: Request) -> Response:
    """GET /: what this is and how to use it."""
    return HTMLResponse(page(base_url(request)))


ROUTES: Final = [
    Route("/", index),
    Mount(dream_machine.PREFIX, routes=dream_machine.ROUTES),
    Mount(agents.PREFIX, routes=agents.ROUTES),
    Mount("/_sandbox", routes=admin.ROUTES),
    Route("/assets/{id}/{name}", download),
]


async def _refused(_: Request, error: Exception) -> Response:
    refused = cast(Refused, error)
    return problem(refused.status, refused.detail, refused.headers)


async def _http_error(_: Request, error: Exception) -> Response:
    known = cast(HTTPException, error)
    return problem(known.status_code, known.detail, known.headers)


class BreakableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with its socket in the scope so that an answer can truly be lost."""

    def on_message_begin(self) -> None:
        """Begin a request's scope."""
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[typeddict-unknown-key]


class AnnouncingServer(uvicorn.Server):
    """Says where it listens once it does."""

    announce: Callable[[str], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn's."""
        await super().startup(sockets)
        if self.announce and self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self.announce(f"http://{host}:{port}")


def server(
    host: str = "127.0.0.1", port: int = 8900, config: SandboxConfig | None = None, state: Path | None = None
) -> AnnouncingServer:
    """A server that is not started yet; port 0 takes a free one; `state` is the file it remembers itself in."""
    journal = Journal(state) if state else None
    return AnnouncingServer(
        uvicorn.Config(
            create_sandbox(config, journal=journal), host=host, port=port, http=BreakableProtocol,
            log_level="warning", access_log=False, timeout_graceful_shutdown=2,
        )
    )  # fmt: skip


def run(made: AnnouncingServer) -> None:
    """Serve until SIGINT or SIGTERM, in an event loop of its own."""
    with suppress(KeyboardInterrupt):  # the server has stopped in order by then
        asyncio.run(made.serve())
