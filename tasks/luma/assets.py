"""Fetching a clip from wherever Luma keeps it: no key, no plain HTTP beyond this machine, all of it or an error."""

from collections.abc import AsyncGenerator
from ipaddress import ip_address
from typing import Final

import httpx

from tasks.luma.answers import BROKEN
from tasks.luma.errors import AssetBroken, AssetExpired, Unavailable

MOST_BYTES: Final = 1 << 30  # far above nine seconds at 4k
MOST_PORT: Final = 65_535
_MOST_REDIRECTS: Final = 5
_GONE: Final = {401, 403, 404, 410}  # how object stores answer for a signed address whose time is over


async def download(
    http: httpx.AsyncClient, url: str, *, home: str, most_bytes: int = MOST_BYTES
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes at `url`; `home`: the one host that may also serve plain HTTP (the API's own).

    Raises AssetExpired (ask Luma for a fresh address), Unavailable (try again) or AssetBroken; also in mid-stream.
    """
    try:
        response = await _open(http, url, home)
        try:
            async for chunk in _whole(response, most_bytes):
                yield chunk
        finally:
            await response.aclose()
    except BROKEN as error:
        raise Unavailable(f"The clip could not be fetched from Luma ({type(error).__name__}).") from error


async def _open(http: httpx.AsyncClient, url: str, home: str) -> httpx.Response:
    """The response at the end of the redirects, its body not yet read."""
    address = _parsed(url)
    for _ in range(_MOST_REDIRECTS + 1):
        if not _trusted(address, home):
            raise AssetBroken("Luma gave an address for the clip that is neither HTTPS nor on this machine.")
        response = await http.send(http.build_request("GET", address), stream=True)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        address = _parsed(str(address.join(response.headers["location"])))
    raise AssetBroken("The clip's address leads from one to another without end.")


async def _whole(response: httpx.Response, most_bytes: int) -> AsyncGenerator[bytes, None]:
    _refuse(response)
    expected, received = _length(response), 0
    if (expected or 0) > most_bytes:
        raise AssetBroken(f"The clip is larger than {most_bytes} bytes.")
    async for chunk in response.aiter_bytes():
        received += len(chunk)
        if received > most_bytes:
            raise AssetBroken(f"The clip is larger than {most_bytes} bytes.")
        yield chunk
    if not received or (expected is not None and received != expected):
        raise AssetBroken(f"The clip came incomplete: {received} of {expected or 'an unknown number of'} bytes.")


def _length(response: httpx.Response) -> int | None:
    """The bytes that the answer announces, where those are the clip's own."""
    told = response.headers.get("content-length", "")
    plain = response.headers.get("content-encoding", "identity") == "identity"
    return int(told) if plain and told.isascii() and told.isdigit() else None


def _refuse(response: httpx.Response) -> None:
    status = response.status_code
    if status in _GONE:
        raise AssetExpired(f"The clip's address at Luma no longer works (HTTP {status}).")
    if status >= 500 or status in {408, 425, 429}:
        raise Unavailable(f"The clip can't be fetched from Luma at the moment (HTTP {status}).")
    if status != 200:
        raise AssetBroken(f"The clip's address at Luma answers with HTTP {status}.")
    if response.headers.get("content-type", "").lower().startswith(("text/html", "application/json")):
        raise AssetBroken("The clip's address at Luma leads to a page instead of a video.")


def _parsed(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise AssetBroken("Luma gave an address for the clip that can't be read.") from error


def _trusted(url: httpx.URL, home: str) -> bool:
    whole = bool(url.host) and (url.port or 0) <= MOST_PORT
    return whole and (url.scheme == "https" or (url.scheme == "http" and (url.host == home or on_loopback(url.host))))


def on_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
