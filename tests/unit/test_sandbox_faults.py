"""Faults: which call they strike, what the client then sees, and the markers that ask for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from deployments.sandbox.app import create_sandbox
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import MARKERS, Fault, FaultBook, marked
from deployments.sandbox.prompts import subject
from deployments.sandbox.sandbox import Sandbox
from tasks.options import VideoOptions
from tasks.storyboard import make_storyboard

OPENING = (
    "The keeper lights the lamp [5xx] over the sea, and the whole coast watches the beam go round in the dark.",
    "Far out a small boat turns for home at last, and its skipper counts the seconds between two flashes.",
)
DREAM = "/dream-machine/v1/generations"


class Api:
    """A sandbox in process, with both wires' clients."""

    def __init__(self, client: httpx.AsyncClient, sandbox: Sandbox) -> None:
        self.client, self.sandbox = client, sandbox

    async def create(self, prompt: str = "A sea", wire: str = DREAM) -> httpx.Response:
        return await self.client.post(wire, json={"model": "ray-2" if wire == DREAM else "ray-3.2", "prompt": prompt})

    async def created(self, prompt: str = "A sea") -> str:
        answer = await self.create(prompt)
        assert answer.status_code == 201
        return str(answer.json()["id"])

    async def get(self, identity: str) -> httpx.Response:
        return await self.client.get(f"{DREAM}/{identity}")

    def script(self, **fault: Any) -> None:
        self.sandbox.faults.add(Fault.model_validate(fault))


@asynccontextmanager
async def serving(**config: Any) -> AsyncIterator[Api]:
    app = create_sandbox(SandboxConfig(clips="cached", jitter=0, **config))
    transport, headers = httpx.ASGITransport(app), {"Authorization": "Bearer any"}
    async with httpx.AsyncClient(transport=transport, base_url="http://luma", headers=headers) as client:
        yield Api(client, app.state.sandbox)
    await app.state.sandbox.aclose()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as found:
        yield found


def strikes(book: FaultBook, calls: int, **call: Any) -> list[bool]:
    where = {"wire": "dream-machine", "operation": "get", "prompt": "A sea", **call}
    return [book.spoiling(**where) is not None for _ in range(calls)]


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        ({}, [1, 0, 0, 0]),
        ({"times": 2}, [1, 1, 0, 0]),
        ({"nth": 3}, [0, 0, 1, 0]),
        ({"nth": 2, "times": None}, [0, 1, 1, 1]),
        ({"operation": "get", "wire": "dream-machine", "prompt": "sea"}, [1, 0, 0, 0]),
        ({"operation": "list"}, [0, 0, 0, 0]),
        ({"wire": "agents"}, [0, 0, 0, 0]),
        ({"prompt": "mountain"}, [0, 0, 0, 0]),
        ({"kind": "fail"}, [0, 0, 0, 0]),
    ],
)
def test_which_calls_are_struck(fault: dict[str, Any], struck: list[int]) -> None:
    book = FaultBook()
    book.add(Fault.model_validate({"kind": "status", **fault}))
    assert strikes(book, 4) == [bool(s) for s in struck]
    book.clear()
    assert strikes(book, 1) == [False]


def test_only_the_first_fault_strikes_an_answer_and_all_strike_a_plan() -> None:
    book = FaultBook()
    for kind in ("html", "empty", "slow", "fail"):
        book.add(Fault.model_validate({"kind": kind}))
    first, second = (book.spoiling("agents", "get", "") for _ in range(2))
    assert first
    assert second
    assert (first.kind, second.kind) == ("html", "empty")
    assert [fault.kind for fault in book.altering("agents", "")] == ["slow", "fail"]
    assert book.altering("agents", "") == []


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A sea", []),
        ("[Scene 3] A [calm] sea [42]", []),
        ("A sea [fail]", [("fail", None, None)]),
        ("A sea [FAIL:2]", [("fail", 2, None)]),
        ("[slow:2.5] A sea", [("slow", None, 2.5)]),
        ("[stall:5]", []),
        ("[5xx:3] and [lost]", [("status", 3, None), ("drop", 1, None)]),
        ("[fail:x] [fail:] [fail", []),
        ("[late]", [("late", None, 5.0)]),
    ],
)
def test_markers(prompt: str, expected: list[tuple[str, int | None, float | None]]) -> None:
    found = marked(prompt)
    assert [(f.kind.value, f.times) for f in found] == [(kind, times) for kind, times, _ in expected]
    assert [f.seconds for f, e in zip(found, expected, strict=True) if e[2]] == [e[2] for e in expected if e[2]]


def test_a_marker_counts_for_its_own_prompt_alone() -> None:
    book = FaultBook()
    assert strikes(book, 2, prompt="A [5xx]") == [True, False]
    assert strikes(book, 2, prompt="B [5xx]") == [True, False]
    assert strikes(book, 1, prompt="C") == [False]


@pytest.mark.parametrize(
    ("prompt", "own"),
    [
        ("A sea", "A sea"),
        ("A sea\n\nSetting: a [fail] harbour.\n\nStyle: noir.", "A sea"),
        ("A sea\n\nA second paragraph\n\nStyle: noir.", "A sea\n\nA second paragraph"),
        ("Style: noir.", "Style: noir."),
        ("A sea\n\nKEEPER: We are lost.", "A sea\n\nKEEPER: We are lost."),
        ("", ""),
    ],
)
def test_a_scenes_own_words(prompt: str, own: str) -> None:
    assert subject(prompt) == own


def test_what_a_prompt_says_of_the_whole_film_strikes_no_scene() -> None:
    board = make_storyboard("\n\n".join(OPENING), VideoOptions())
    assert len(board.scenes) == 2
    assert "[5xx]" in board.scenes[1].prompt
    book = FaultBook()
    assert [strikes(book, 1, prompt=scene.prompt) for scene in board.scenes] == [[True], [False]]


@pytest.mark.parametrize("bad", [{}, {"kind": "nonsense"}, {"kind": "fail", "nth": 0}, {"kind": "fail", "x": 1}])
def test_a_fault_is_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(bad)


@pytest.mark.parametrize(("carried_out", "charges"), [(True, 1), (False, 0)])
@pytest.mark.parametrize("wire", [DREAM, "/v1/generations"])
async def test_an_answer_is_lost_before_or_after_the_generation_was_begun(
    api: Api, wire: str, carried_out: bool, charges: int
) -> None:
    api.script(kind="drop", operation="create", carried_out=carried_out)
    with pytest.raises(httpx.RemoteProtocolError):
        await api.create(wire=wire)
    assert len(api.sandbox.charges.rows) == charges
    assert (await api.create(wire=wire)).status_code == 201


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"kind": "status", "status": 500}, 500, {"detail": "Internal server error"}),
        ({"kind": "status", "status": 429, "detail": "Slow down"}, 429, {"detail": "Slow down"}),
        ({"kind": "status", "status": 200, "body": '{"id": "x", "new": 1}'}, 200, {"id": "x", "new": 1}),
        ({"kind": "empty", "status": 200}, 200, None),
        ({"kind": "html"}, 503, None),
        ({"kind": "html", "carried_out": True}, 200, None),
        ({"kind": "malformed", "carried_out": True}, 200, None),
    ],
)
async def test_a_spoilt_poll(api: Api, fault: dict[str, Any], status: int, body: object) -> None:
    identity = await api.created()
    api.script(**fault, operation="get", headers={"Retry-After": "7"})
    spoilt = await api.get(identity)
    assert (spoilt.status_code, spoilt.headers["retry-after"]) == (status, "7")
    if body is None:
        with pytest.raises(json.JSONDecodeError):
            spoilt.json()
    else:
        assert spoilt.json() == body
    assert (await api.get(identity)).json()["id"] == identity


async def test_a_late_answer_was_carried_out_at_once(api: Api) -> None:
    api.script(kind="late", operation="create", seconds=1000)
    pending = asyncio.create_task(api.create())
    await asyncio.sleep(0.05)
    assert len(api.sandbox.charges.rows) == 1
    assert not pending.done()
    api.sandbox.clock.advance(1001)
    assert (await pending).status_code == 201


async def end_of(api: Api, marker: str) -> dict[str, Any]:
    identity = await api.created(f"A sea [{marker}]")
    api.sandbox.clock.advance(3000)
    return dict((await api.get(identity)).json())


async def test_markers_of_the_plan(api: Api) -> None:
    assert (await end_of(api, "fail"))["failure_reason"] == "job failed"
    assert (await end_of(api, "moderate"))["failure_reason"] == "frame moderation failed"
    assert (await end_of(api, "stall"))["state"] == "dreaming"
    no_assets = await end_of(api, "no-assets")
    assert (no_assets["state"], no_assets["assets"]) == ("completed", None)
    identity = await api.created("A sea [unknown-state] [slow:40]")
    api.sandbox.clock.advance(39)
    assert (await api.get(identity)).json()["state"] == "reviewing"
    api.sandbox.clock.advance(2)
    assert (await api.get(identity)).json()["state"] == "completed"


@pytest.mark.parametrize(
    ("marker", "status", "times"), [("401", 401, inf), ("402", 402, inf), ("403", 403, inf), ("429:2", 429, 2)]
)
async def test_markers_that_refuse_a_create(api: Api, marker: str, status: int, times: float) -> None:
    answers = [await api.create(f"A sea [{marker}]") for _ in range(3)]
    assert [a.status_code for a in answers] == [status if n < times else 201 for n in range(3)]
    assert len(api.sandbox.charges.rows) == sum(n >= times for n in range(3))
    assert all((a.headers.get("retry-after") == "1") == (a.status_code == 429) for a in answers)


async def test_markers_of_polls_and_downloads(api: Api) -> None:
    identity = await api.created("A sea [5xx:2] [gone] [expired]")
    api.sandbox.clock.advance(60)
    assert [(await api.get(identity)).status_code for _ in range(3)] == [503, 503, 200]
    video = (await api.get(identity)).json()["assets"]["video"]
    assert [(await api.client.get(video)).status_code for _ in range(3)] == [404, 403, 200]


async def test_a_502_may_hide_a_generation(api: Api) -> None:
    assert (await api.create("A sea [502]")).status_code == 502
    assert len(api.sandbox.charges.rows) == 1
    assert (await api.client.get(DREAM)).json()["generations"][0]["request"]["prompt"] == "A sea [502]"


async def test_error_rate_spoils_reads_and_never_creates() -> None:
    async with serving(error_rate=1.0) as api:
        identity = await api.created()
        assert (await api.get(identity)).status_code == 503
        assert (await api.client.get(DREAM)).status_code == 503


def test_every_marker_has_a_meaning() -> None:
    assert all(marker.meaning and marked(f"A sea [{word}]") for word, marker in MARKERS.items())
