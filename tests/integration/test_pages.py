"""The studio page as it is served: addresses, caching, packing and the headers that keep it safe."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.pages import FOLDER, Pages
from tasks.settings import Settings


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(data=tmp_path, _env_file=None))  # the pages need nothing of what a lifespan opens
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/library", "/jobs/0b5f7a0e-6f0c-4a51-8f5e-000000000000", "/jobs/nothing"])
async def test_a_document_is_checked_by_its_etag_and_guarded(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.head(path)).content == b""


async def test_all_that_a_document_names_is_there_for_ever(client: httpx.AsyncClient) -> None:
    for path in ("/", "/library", "/jobs/1"):
        named = re.findall(r'"(/studio/[^"]+)"', (await client.get(path)).text)
        assert len(named) > 5
        for address in named:
            answer = await client.get(address)
            assert answer.status_code == 200, address
            assert "immutable" in answer.headers["cache-control"]


async def test_modules_name_each_other_and_nothing_else(client: httpx.AsyncClient) -> None:
    for module in FOLDER.rglob("*.js"):
        for named in re.findall(r'from ?"([^"]+)"', module.read_text()):
            assert (module.parent / named).is_file(), f"{module.name} imports {named}"


def test_the_documents_preload_every_module_they_need() -> None:
    for name in ("index", "job", "library"):
        text = (FOLDER / f"{name}.html").read_text()
        entry = re.search(r'src="/studio/(js/[a-z]+\.js)"', text)
        assert entry
        loaded = {FOLDER / path for path in re.findall(r'modulepreload" href="/studio/([^"]+)"', text)}
        assert loaded == _needed(FOLDER / entry[1]) - {FOLDER / entry[1]}


def _needed(module: Path) -> set[Path]:
    found, todo = set[Path](), [module]
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += [(one.parent / name).resolve() for name in re.findall(r'from ?"(\.[^"]+)"', one.read_text())]
    return found


async def test_files_are_packed_and_an_old_address_answers_without_being_kept(client: httpx.AsyncClient) -> None:
    version = Pages().version
    plain = await client.get(f"/studio/{version}/base.css", headers={"Accept-Encoding": "identity"})
    packed = await client.get(f"/studio/{version}/base.css", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.content == packed.content == (FOLDER / "base.css").read_bytes()
    old = await client.get("/studio/0123456789ab/base.css")
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
    for wrong in ("nothing.css", "index.html", "%2e%2e/app.py"):
        assert (await client.get(f"/studio/{version}/{wrong}")).status_code == 404


def test_the_page_is_small_and_parses_no_text_as_html() -> None:
    sent = [len(asset.packed or asset.body) for name, asset in Pages().assets.items() if "LICENSE" not in name]
    assert sum(sent) < 100_000  # all three pages together, with the typeface
    for path in (FOLDER / "js").glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySet|eval\(", path.read_text()
        ), path.name


async def test_the_typeface_is_sent_as_it_is_and_kept(client: httpx.AsyncClient) -> None:
    [address] = re.findall(r'"(/studio/[^"]+\.woff2)"', (await client.get("/")).text)
    answer = await client.get(address, headers={"Accept-Encoding": "gzip"})
    assert (answer.headers["content-type"], "content-encoding" in answer.headers) == ("font/woff2", False)
    assert answer.content == (FOLDER / "vendor/serif.woff2").read_bytes()
    assert (FOLDER / "vendor/LICENSE-serif.txt").exists()
