"""An ASGI application with its lifespan, as a server runs it: in a task of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start the application and stop it when the block ends; what starting raises is raised here."""
    started, stop = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def serve() -> None:
        try:
            async with app.router.lifespan_context(app):
                started.set_result(None)
                await stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    serving = asyncio.create_task(serve())
    try:
        await started
        yield
    finally:
        stop.set()
        await serving


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """The started app on a real port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="warning"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
