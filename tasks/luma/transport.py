"""How calls reach Luma: creates once and never again, questions as often as it takes, clips without our key."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from random import random
from typing import Any, Final, TypeVar

import httpx
from pydantic import SecretStr

from tasks.luma.answers import (
    BROKEN,
    broken_create,
    broken_read,
    detail_of,
    json_of,
    refused_create,
    refused_read,
    wrong_address,
)
from tasks.luma.assets import MOST_PORT, download, on_loopback
from tasks.luma.backoff import Backoff
from tasks.luma.errors import AccountError, RequestRefused, StrangeAnswer, Unavailable

T = TypeVar("T")

_KEY = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long calls may take, in seconds, and how often questions are repeated."""

    connect: float = 10
    create: float = 60
    """For the answer to a create: long, since giving up leaves a doubt."""
    read: float = 30
    reads: int = 5
    """Times a question is asked before it counts as unanswered."""
    longest_retry_after: float = 60
    """A longer Retry-After is cut to this."""


PATIENCE: Final = Patience()
READ_BACKOFF: Final = Backoff(base=0.5, factor=2, maximum=10, jitter=0.5)


class Transport:
    """One account's connections to one of Luma's APIs.

    Creates go out on fresh connections: on a kept one that the server has just closed, a create ends in a doubt.
    Redirects are never followed: a repeated POST may be paid twice, and the key belongs to one host.
    """

    def __init__(
        self,
        api_key: SecretStr,
        base_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        backoff: Backoff = READ_BACKOFF,
        rng: Callable[[], float] = random,
        patience: Patience = PATIENCE,
    ) -> None:
        self._key = _checked_key(api_key)
        self._base = _checked_base(base_url)
        self._backoff, self._rng, self._patience = backoff, rng, patience
        proxied = not on_loopback(httpx.URL(self._base).host)  # no proxy leads back to this machine
        # Certificates are read from disk once, not once per client, and only for the network.
        verify = httpx.create_ssl_context() if transport is None else True

        def client(limits: httpx.Limits, read: float, headers: dict[str, str]) -> httpx.AsyncClient:
            return httpx.AsyncClient(
                verify=verify,
                transport=transport,
                trust_env=proxied,
                limits=limits,
                timeout=httpx.Timeout(read, connect=patience.connect),
                headers=headers,
            )

        own = {"Authorization": f"Bearer {self._key}", "Accept": "application/json", "User-Agent": "storyreel"}
        fresh = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        kept = httpx.Limits(max_connections=50, max_keepalive_connections=4)  # each request looks at all idle ones
        self._creates = client(fresh, patience.create, own)
        self._reads = client(kept, patience.read, own)
        self._assets = client(kept, patience.read, {"Accept-Encoding": "identity", "User-Agent": "storyreel"})

    async def aclose(self) -> None:
        """Close all connections."""
        for client in (self._creates, self._reads, self._assets):
            await client.aclose()

    async def create(self, path: str, body: dict[str, object]) -> httpx.Response:
        """POST once. Nothing begun: RateLimited, Unreachable, RequestRefused, AccountError; maybe: SubmissionDoubted.

        Cancelling it in mid-flight leaves the same doubt as a lost answer; the intent written before it says so.
        """
        try:
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        except ValueError as error:  # lone surrogates
            raise RequestRefused("This scene's prompt holds characters that can't be sent.") from error
        try:
            async with asyncio.timeout(self._patience.connect + self._patience.create):
                response = await self._creates.post(
                    self._base + path, content=content, headers={"Content-Type": "application/json"}
                )
        except BROKEN as error:
            raise broken_create(error) from error
        if refusal := refused_create(response, detail_of(response, self._key)):
            raise refusal
        return response

    async def read(self, path: str, parse: Callable[[Any], T], params: dict[str, int] | None = None) -> T:
        """What `parse` makes of the JSON that a GET answers; asked again when it raises StrangeAnswer.

        Raises Unavailable or StrangeAnswer after its retries, RequestRefused or AccountError at once.
        """
        return await self._ask("GET", path, params, lambda response: parse(json_of(response)))

    async def delete(self, path: str) -> None:
        """DELETE, retried like a question: repeating it changes nothing."""
        await self._ask("DELETE", path, None, lambda _: None)

    def download(self, url: str, most_bytes: int) -> AsyncGenerator[bytes, None]:
        """The bytes at a clip's address; see `assets.download`."""
        return download(self._assets, url, home=httpx.URL(self._base).host, most_bytes=most_bytes)

    async def _ask(
        self, method: str, path: str, params: dict[str, int] | None, parse: Callable[[httpx.Response], T]
    ) -> T:
        for attempt in range(self._patience.reads - 1):
            try:
                return parse(await self._ask_once(method, path, params))
            except (Unavailable, StrangeAnswer) as error:
                pause = self._pause(attempt, error)
            await asyncio.sleep(pause)
        return parse(await self._ask_once(method, path, params))

    async def _ask_once(self, method: str, path: str, params: dict[str, int] | None) -> httpx.Response:
        try:
            async with asyncio.timeout(self._patience.connect + 2 * self._patience.read):
                response = await self._reads.request(method, self._base + path, params=params)
        except BROKEN as error:
            raise broken_read(error) from error
        if refusal := refused_read(response, detail_of(response, self._key)):
            raise refusal
        return response

    def _pause(self, attempt: int, error: Unavailable | StrangeAnswer) -> float:
        asked = error.retry_after if isinstance(error, Unavailable) else None
        ours = self._backoff.delay(attempt, self._rng())
        return ours if asked is None else max(ours, min(asked, self._patience.longest_retry_after))


def _checked_key(api_key: SecretStr) -> str:
    key = api_key.get_secret_value().strip()
    if not _KEY.fullmatch(key):  # an HTTP header can't carry it, and would quote it in its complaint
        raise AccountError("The Luma API key is empty or holds characters no key has.", code="luma_key_invalid")
    return key


def _checked_base(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError) as error:
        raise wrong_address() from error
    if url.scheme not in {"http", "https"} or not url.host or (url.port or 0) > MOST_PORT:
        raise wrong_address()
    return base_url.rstrip("/")
