"""An ASGI application with its lifespan, as a server runs it: in a task of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
