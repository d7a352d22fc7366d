"""Waiting out a Prefect server that is away: killed, restarted, moved."""

from typing import Final

import httpx
from prefect.client.orchestration import PrefectClient

AGAIN_SECONDS: Final = 1
_AWAY: Final = {"Retry-After": str(AGAIN_SECONDS), "Prefect-Maintenance": "true"}
"""What a server says of itself that is down for a while; Prefect's client then asks until it is back."""


class Patient(httpx.AsyncBaseTransport):
    """Answers in the place of a server that can't be reached.

    Left alone, Prefect's client doubles its wait each time and then gives up: after a minute's absence a run would
    stand still for another minute, after nine it would crash.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass it on; the client repeats after a fault of transport in any case."""
        try:
            return await self._inner.handle_async_request(request)
        except httpx.TransportError:
            return httpx.Response(httpx.codes.SERVICE_UNAVAILABLE, headers=_AWAY, request=request)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._inner.aclose()


def be_patient(client: PrefectClient) -> None:
    """Make a client wait for its server, and hear soon that it is back.

    Prefect offers no setting for it, and wraps this transport itself: one given from outside would lose the proxies.
    """
    http = client._client
    http._transport = Patient(http._transport)
    http._mounts = {pattern: Patient(proxy) if proxy else None for pattern, proxy in http._mounts.items()}
