"""The wires between the processes: real apps in process, and what may happen to a call on its way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from tests.simulation.processes import Died, Process, present
from tests.simulation.weather import Call, Weather

LONGEST_WAY: Final = 45.0  # seconds a request may take to reach Luma at worst, when its caller may have given up
Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


async def carried_out(server: Process, app: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
    """The app's answer, made in the server's own process: a caller that dies takes nothing with it."""

    async def serve() -> httpx.Response:
        response = await app.handle_async_request(request)
        await response.aread()
        return response

    work = server.spawn(serve())
    try:
        return await asyncio.shield(work)
    except (asyncio.CancelledError, Died):
        if server.alive:
            raise
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.") from None


class ToLuma(httpx.AsyncBaseTransport):
    """A worker's way to the sandbox."""

    def __init__(self, weather: Weather, server: Process, app: httpx.ASGITransport) -> None:
        self._weather, self._server, self._app = weather, server, app
        self.sending: Callable[[httpx.Request], None] = lambda _: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request there and its answer back, or not."""
        process = present()
        await request.aread()
        await process.pass_edge()
        what = f"{request.method} {request.url.path.rpartition('/v1')[2][:22] or request.url.path[:8]}"
        fate = self._weather.call(process, what)
        self._before(fate, process)
        self.sending(request)
        if (early := self._refusal(fate)) is not None:
            await self._weather.latency()
            await process.pass_edge()
            return early
        await self._weather.latency()
        if fate is Call.NEVER_ARRIVED:
            raise httpx.ReadTimeout("the request never arrived")
        answer = self._server.spawn(self._arrive(request, fate))
        response: httpx.Response = await asyncio.shield(answer)
        await self._weather.latency()
        await process.pass_edge()
        return self._after(fate, response, process)

    async def _arrive(self, request: httpx.Request, fate: Call) -> httpx.Response:
        """At Luma, in its own time: also when the caller is gone."""
        if fate is Call.SLOW:
            await asyncio.sleep(self._weather.random.uniform(1, LONGEST_WAY))
        return await carried_out(self._server, self._app, request)

    def _before(self, fate: Call, process: Process) -> None:
        if fate is Call.CRASH_BEFORE:
            process.kill()
            raise Died
        if fate is Call.REFUSED:
            raise httpx.ConnectError("connection refused")

    def _refusal(self, fate: Call) -> httpx.Response | None:
        if self._weather.account is not None:
            return httpx.Response(self._weather.account, json={"detail": "the account does not work"})
        if fate is Call.ERROR_BEFORE:
            return httpx.Response(503, json={"detail": "upstream"})
        if fate is Call.TOO_MANY:
            return httpx.Response(429, json={"detail": "Rate limit exceeded"}, headers={"Retry-After": "3"})
        return None

    def _after(self, fate: Call, response: httpx.Response, process: Process) -> httpx.Response:
        if fate is Call.CRASH_AFTER:
            process.kill()
            raise Died
        if fate is Call.ANSWER_LOST:
            raise httpx.ReadTimeout("the answer was lost")
        if fate is Call.ERROR_AFTER:
            return httpx.Response(502, text="<html>502</html>", headers={"Content-Type": "text/html"})
        if fate is Call.GARBAGE:
            return httpx.Response(response.status_code, content=response.content[: len(response.content) // 2])
        return response


class ToApi(httpx.AsyncBaseTransport):
    """Anybody's way to the API, when there is one."""

    def __init__(self, api: Callable[[], Process | None], app: httpx.ASGITransport, weather: Weather) -> None:
        self._api, self._app, self._weather = api, app, weather

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request there and its answer back."""
        await request.aread()
        await self._weather.latency()
        server = self._api()
        if server is None or not server.alive:
            raise httpx.ConnectError("connection refused")
        response = await carried_out(server, self._app, request)
        await self._weather.latency()
        return response
