"""Fetching clips: no key, no unsafe address, all of it or an error."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import httpx
import pytest
from pydantic import SecretStr

from tasks.luma import AssetBroken, AssetExpired, DreamMachine, LumaError, Unavailable

VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(5000)
Handler = Callable[[httpx.Request], httpx.Response]


async def fetch(handler: Handler, url: str = "https://cdn.test/a.mp4", most: int = 1 << 20) -> bytes:
    transport = httpx.MockTransport(handler)
    async with (
        DreamMachine(
            SecretStr("luma-key"), "http://luma.test/v1", transport=transport, most_asset_bytes=most
        ) as client,
        aclosing(client.download(url)) as chunks,
    ):
        return b"".join([chunk async for chunk in chunks])


def serve(status: int = 200, **options: object) -> Handler:
    return lambda _: httpx.Response(status, **options)  # type: ignore[arg-type]


async def test_all_bytes_come_and_no_key_goes() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=VIDEO, headers={"content-type": "video/mp4"})

    assert await fetch(handler) == VIDEO
    assert "authorization" not in seen[0].headers
    assert seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AssetExpired),
        (403, AssetExpired),
        (404, AssetExpired),
        (410, AssetExpired),
        (408, Unavailable),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (204, AssetBroken),
        (206, AssetBroken),
        (304, AssetBroken),
        (400, AssetBroken),
        (416, AssetBroken),
    ],
)
async def test_statuses(status: int, kind: type[LumaError]) -> None:
    with pytest.raises(kind):
        await fetch(serve(status))


async def part(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


async def test_a_body_shorter_than_told_is_broken() -> None:
    with pytest.raises(AssetBroken, match=f"3000 of {len(VIDEO)} bytes"):
        await fetch(
            lambda _: httpx.Response(200, content=part(VIDEO[:3000]), headers={"content-length": f"{len(VIDEO)}"})
        )


async def test_a_body_of_untold_length_is_taken() -> None:
    assert await fetch(lambda _: httpx.Response(200, content=part(VIDEO))) == VIDEO


async def test_nothing_is_no_clip() -> None:
    with pytest.raises(AssetBroken):
        await fetch(serve(content=b""))


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json"])
async def test_a_page_is_no_clip(content_type: str) -> None:
    with pytest.raises(AssetBroken, match="page"):
        await fetch(serve(content=VIDEO, headers={"content-type": content_type}))


async def test_too_large_by_its_own_word_or_in_fact() -> None:
    with pytest.raises(AssetBroken, match="larger"):
        await fetch(serve(content=VIDEO), most=1000)
    with pytest.raises(AssetBroken, match="larger"):
        await fetch(lambda _: httpx.Response(200, content=part(VIDEO)), most=1000)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError])
async def test_a_broken_connection_is_tried_again_later(error: type[httpx.TransportError]) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error("https://cdn.test/a.mp4?signature=secret")

    with pytest.raises(Unavailable) as caught:
        await fetch(handler)
    assert "secret" not in str(caught.value)


async def test_a_connection_broken_in_mid_stream() -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield VIDEO[:100]
        raise httpx.ReadError("gone")

    with pytest.raises(Unavailable):
        await fetch(lambda _: httpx.Response(200, content=breaks()))


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://cdn.test/a.mp4", True),
        ("http://127.0.0.1:9000/a.mp4", True),
        ("http://127.1.2.3/a.mp4", True),
        ("http://[::1]:9000/a.mp4", True),
        ("http://localhost:9000/a.mp4", True),
        ("http://luma.test/assets/a.mp4", True),  # the API's own host
        ("http://cdn.test/a.mp4", False),
        ("http://10.0.0.1/a.mp4", False),
        ("http://localhost.evil.test/a.mp4", False),
        ("ftp://cdn.test/a.mp4", False),
        ("file:///etc/passwd", False),
        ("https://broken\n.test/a.mp4", False),
        ("https:///a.mp4", False),
        ("https://cdn.test:99999/a.mp4", False),
    ],
)
async def test_only_https_or_this_machine(url: str, trusted: bool) -> None:
    if trusted:
        assert await fetch(serve(content=VIDEO), url) == VIDEO
        return
    asked: list[httpx.Request] = []
    with pytest.raises(AssetBroken):
        await fetch(lambda request: asked.append(request) or httpx.Response(200, content=VIDEO), url)
    assert asked == []


async def test_redirects_are_followed_only_to_trusted_places_and_not_for_ever() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return {
            "/a": httpx.Response(302, headers={"location": "/b"}),
            "/b": httpx.Response(307, headers={"location": "https://store.test/c"}),
            "/c": httpx.Response(200, content=VIDEO),
            "/down": httpx.Response(302, headers={"location": "http://store.test/c"}),
            "/loop": httpx.Response(302, headers={"location": "/loop"}),
            "/bad": httpx.Response(302, headers={"location": "https://\x7f/"}),
        }[request.url.path]

    assert await fetch(handler, "https://cdn.test/a") == VIDEO
    for path in ("down", "loop"):
        with pytest.raises(AssetBroken):
            await fetch(handler, f"https://cdn.test/{path}")
    with pytest.raises(Unavailable):  # no address at all: the store is confused
        await fetch(handler, "https://cdn.test/bad")
