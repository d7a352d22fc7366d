"""The client the scene task speaks with, and the one for the Dream Machine API (`ray-2`, `ray-flash-2`)."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from random import random
from types import TracebackType
from typing import Any, Protocol, Self

import httpx
from pydantic import SecretStr

from tasks.luma.answers import NOT_FOUND, json_of
from tasks.luma.assets import MOST_BYTES
from tasks.luma.backoff import Backoff
from tasks.luma.errors import GenerationNotFound, RequestRefused, StrangeAnswer, SubmissionDoubted
from tasks.luma.listing import PAGE, Page, parse_page, walk
from tasks.luma.transport import PATIENCE, READ_BACKOFF, Patience, Transport
from tasks.luma.wire import Generation, GenerationRequest, is_generation_id, parse_generation


class LumaClient(Protocol):
    """One Luma account over one of its APIs; flags say what that API can do."""

    can_list: bool
    """`generations` works, so that a lost answer to a create can be looked up."""
    has_callbacks: bool
    """`callback_url` is heeded, and echoed."""

    async def submit(self, request: GenerationRequest, callback_url: str | None = None) -> Generation:
        """Begin a paid generation: exactly one POST, never repeated.

        Raises RateLimited, Unreachable, RequestRefused, AccountError: nothing was begun. SubmissionDoubted: maybe.
        """

    async def get(self, generation_id: str) -> Generation:
        """The generation now; asked repeatedly through passing faults. Raises GenerationNotFound, Unavailable, …."""

    def generations(self, since: datetime | None = None) -> AsyncIterator[Generation]:
        """All generations created at or after `since`, newest first, none twice."""

    async def credits(self) -> float:
        """What the account has left, in US cents."""

    async def ping(self) -> None:
        """Return when the API answers and accepts the key; raise otherwise."""

    async def delete(self, generation_id: str) -> None:
        """Remove the record, if it is there; neither stops nor refunds the work."""

    def download(self, url: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a clip; raises AssetExpired, AssetBroken, Unavailable. Close it (`contextlib.aclosing`)."""


class DreamMachine:
    """Luma's Dream Machine API."""

    can_list: bool = True
    has_callbacks: bool = True

    def __init__(
        self,
        api_key: SecretStr,
        base_url: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        backoff: Backoff = READ_BACKOFF,
        rng: Callable[[], float] = random,
        patience: Patience = PATIENCE,
        most_asset_bytes: int = MOST_BYTES,
    ) -> None:
        """`transport`: takes the network's place; `backoff` and `rng` (0 to 1): the pauses between questions.

        Raises AccountError for a key or an address that can't work.
        """
        self._wire = Transport(api_key, base_url, transport=transport, backoff=backoff, rng=rng, patience=patience)
        self._most_asset_bytes = most_asset_bytes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wire.aclose()

    async def submit(self, request: GenerationRequest, callback_url: str | None = None) -> Generation:
        """See `LumaClient.submit`."""
        body = request.body()
        if callback_url is not None:
            body["callback_url"] = callback_url
        response = await self._wire.create("/generations", body)
        try:
            return parse_generation(json_of(response))
        except StrangeAnswer as error:
            raise SubmissionDoubted(
                f"Luma took this scene but its answer can't be read (HTTP {response.status_code})."
            ) from error

    async def get(self, generation_id: str) -> Generation:
        """See `LumaClient.get`."""
        with _told_of(generation_id) as path:
            return await self._wire.read(path, partial(parse_generation, asked=generation_id))

    async def delete(self, generation_id: str) -> None:
        """See `LumaClient.delete`."""
        with suppress(GenerationNotFound), _told_of(generation_id) as path:
            await self._wire.delete(path)

    def generations(self, since: datetime | None = None) -> AsyncGenerator[Generation, None]:
        """See `LumaClient.generations`."""

        async def page(offset: int) -> Page:
            return await self._wire.read("/generations", parse_page, {"limit": PAGE, "offset": offset})

        return walk(page, since)

    async def credits(self) -> float:
        """See `LumaClient.credits`."""
        return await self._wire.read("/credits", _balance)

    async def ping(self) -> None:
        """See `LumaClient.ping`."""
        await self._wire.read("/ping", lambda _: None)

    def download(self, url: str) -> AsyncGenerator[bytes, None]:
        """See `LumaClient.download`."""
        return self._wire.download(url, self._most_asset_bytes)


@contextmanager
def _told_of(generation_id: str) -> Iterator[str]:
    """The path of a generation; inside, Luma's 404 is GenerationNotFound. So is an id that no address can hold."""
    if not is_generation_id(generation_id):
        raise GenerationNotFound(generation_id)
    try:
        yield f"/generations/{generation_id}"
    except RequestRefused as error:
        if error.code == NOT_FOUND:
            raise GenerationNotFound(generation_id) from error
        raise


def _balance(data: Any) -> float:
    balance = data.get("credit_balance") if isinstance(data, dict) else None
    if isinstance(balance, bool) or not isinstance(balance, int | float):
        raise StrangeAnswer("Luma's answer has no credit balance.")
    return float(balance)
