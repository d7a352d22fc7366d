"""Prefect's REST API over httpx: how a request is sent and an answer read."""

import asyncio
from typing import Any, Final

import httpx

from tasks.luma.errors import brief
from tasks.settings import Settings

BUSY: Final = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})
BUSY_PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before asking again; its database is locked for moments, and waiting long would make every job start late."""


class PrefectAway(Exception):
    """Prefect can't be reached or can't answer now."""


class PrefectHttp:
    """One connection pool to Prefect; every failure is a `PrefectAway`."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        key, auth = settings.prefect_api_key, settings.prefect_auth_string
        self._http = httpx.AsyncClient(
            base_url=settings.prefect_api_url or "http://127.0.0.1:4200/api",
            timeout=20,
            transport=transport,
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            auth=_basic(auth.get_secret_value()) if auth else None,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, path: str) -> httpx.Response:
        """Whatever is answered. Raises `PrefectAway`."""
        return await self._send(self._http.build_request("GET", path))

    async def post(self, path: str, body: Any) -> httpx.Response:
        """Whatever is answered. Raises `PrefectAway`."""
        return await self._send(self._http.build_request("POST", path, json=body))

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Every request may be repeated: creating is by key, and the rest says what shall be."""
        for pause in BUSY_PAUSES:
            answer = await self._try(request)
            if answer.status_code not in BUSY:
                return answer
            await asyncio.sleep(pause)
        return await self._try(request)

    async def _try(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.send(request)
        except httpx.HTTPError as error:
            raise PrefectAway(f"Prefect can't be reached ({type(error).__name__}).") from error


def check(answer: httpx.Response) -> None:
    """Raise `PrefectAway` for an error."""
    if answer.is_error:
        raise PrefectAway(f"Prefect answered {answer.status_code}.")


def json_of(answer: httpx.Response) -> Any:
    """What a good answer holds. Raises `PrefectAway`."""
    check(answer)
    try:
        return answer.json()
    except ValueError as error:
        raise PrefectAway("What answers in Prefect's place does not speak JSON.") from error


def reason(answer: httpx.Response) -> str:
    """Why Prefect refused, in short."""
    try:
        return brief(str(answer.json()["detail"]))
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _basic(user_and_password: str) -> httpx.BasicAuth:
    user, _, password = user_and_password.partition(":")
    return httpx.BasicAuth(user, password)
