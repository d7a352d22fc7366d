"""Callbacks: when they are sent, what they say, how they are repeated, and where they may go."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

import httpx
import pytest

from deployments.sandbox.app import create_sandbox
from deployments.sandbox.callbacks import Call, on_loopback, timetable
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import Fault
from deployments.sandbox.generations import JOB_FAILED, Plan
from tests.virtual_time import run

PLAN = Plan(1, 4)


@pytest.mark.parametrize(
    ("plan", "faults", "calls"),
    [
        (PLAN, [], [Call(1, 1), Call(4, 4)]),
        (Plan(1, 4, JOB_FAILED), [], [Call(1, 1), Call(4, 4)]),
        (Plan(1, inf), [], [Call(1, 1)]),
        (PLAN, ["callback-drop"], []),
        (PLAN, ["callback-double"], [Call(1, 1), Call(1, 1), Call(4, 4), Call(4, 4)]),
        (PLAN, ["callback-late"], [Call(31, 1), Call(34, 4)]),
        (PLAN, ["callback-early"], [Call(1, 1), Call(1, 4), Call(4, 4)]),
        (Plan(1, inf), ["callback-early"], [Call(1, 1)]),
        (PLAN, ["callback-forged"], [Call(1, 1), Call(1, 1, forged=True), Call(4, 4)]),
        (PLAN, ["callback-drop", "callback-forged"], [Call(1, 1, forged=True)]),
    ],
)
def test_timetable_by_fault(plan: Plan, faults: list[str], calls: list[Call]) -> None:
    scripted = [Fault.model_validate({"kind": kind}) for kind in faults]
    assert timetable(plan, SandboxConfig(), Random(1), scripted) == calls


@pytest.mark.parametrize(
    ("config", "calls"),
    [
        ({"callback_drop_rate": 1}, []),
        ({"callback_double_rate": 1}, [Call(1, 1)] * 2 + [Call(4, 4)] * 2),
        ({"callback_delay_rate": 1, "callback_delay_seconds": 9}, [Call(10, 1), Call(13, 4)]),
    ],
)
def test_timetable_by_chance(config: dict[str, Any], calls: list[Call]) -> None:
    assert timetable(PLAN, SandboxConfig(**config), Random(1)) == calls


@pytest.mark.parametrize(
    ("url", "stays"),
    [
        ("http://127.0.0.1:8000/x", True),
        ("http://[::1]/x", True),
        ("http://localhost/x", True),
        ("http://10.0.0.1/x", False),
        ("https://films.example/x", False),
        ("http://127.0.0.1.evil.example/x", False),
    ],
)
def test_what_stays_on_this_machine(url: str, stays: bool) -> None:
    assert on_loopback(url) is stays


@dataclass
class Story:
    """What a receiver was told, when (seconds since the create), and what it answers."""

    answers: list[int | Exception] = field(default_factory=list)
    told: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    start: float = 0.0

    def states(self) -> list[tuple[float, str]]:
        return [(round(when, 2), body["state"]) for when, body in self.told]


Script = Callable[[httpx.AsyncClient], Awaitable[None]]


def told(
    prompt: str = "A sea",
    answers: list[int | Exception] | None = None,
    url: str = "http://api/cb/1",
    then: Script | None = None,
) -> Story:
    """Create one generation in virtual time and let five minutes pass."""
    story = Story(answers or [])

    async def tell() -> None:
        import asyncio

        async def receive(request: httpx.Request) -> httpx.Response:
            import json

            story.told.append((sandbox.clock.time() - story.start, json.loads(request.content)))
            answer = story.answers.pop(0) if story.answers else 200
            if isinstance(answer, Exception):
                raise answer
            return httpx.Response(answer)

        app = create_sandbox(SandboxConfig(jitter=0, seed=1), callback_transport=httpx.MockTransport(receive))
        sandbox = app.state.sandbox
        headers = {"Authorization": "Bearer any"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://luma", headers=headers
        ) as client:
            story.start = sandbox.clock.time()
            body = {"model": "ray-2", "prompt": prompt, "callback_url": url}
            assert (await client.post("/dream-machine/v1/generations", json=body)).status_code == 201
            if then:
                await then(client)
            await asyncio.sleep(300)
        story.counts = dict(sandbox.callbacks.counts)
        await sandbox.aclose()

    run(tell())
    return story


def test_every_move_is_told_at_its_time() -> None:
    story = told()
    assert story.states() == [(0.8, "dreaming"), (4.0, "completed")]
    (_, dreaming), (_, completed) = story.told
    assert dreaming["assets"] is None
    assert completed["assets"]["video"].startswith("http://luma/assets/")
    assert completed["request"]["callback_url"] == "http://api/cb/1"


def test_a_failure_is_told() -> None:
    assert told("A sea [fail]").states() == [(0.8, "dreaming"), (4.0, "failed")]


def test_anything_but_200_is_repeated_three_times_100_ms_apart() -> None:
    story = told(answers=[204, 500, httpx.ConnectError("refused"), 201, 200])
    assert story.states() == [
        (0.8, "dreaming"),
        (0.9, "dreaming"),
        (1.0, "dreaming"),
        (1.1, "dreaming"),
        (4.0, "completed"),
    ]
    assert story.counts == {"sent": 5, "delivered": 1, "given_up": 1, "refused": 0}


@pytest.mark.parametrize(
    ("marker", "states"),
    [
        ("callback-drop", []),
        ("callback-double", [(0.8, "dreaming")] * 2 + [(4.0, "completed")] * 2),
        ("callback-late:10", [(10.8, "dreaming"), (14.0, "completed")]),
        ("callback-early", [(0.8, "dreaming"), (0.8, "completed"), (4.0, "completed")]),
        ("stall", [(0.8, "dreaming")]),
        ("unknown-state", [(0.8, "reviewing"), (4.0, "completed")]),
    ],
)
def test_markers(marker: str, states: list[tuple[float, str]]) -> None:
    assert told(f"A sea [{marker}]").states() == states


def test_a_forged_callback_names_a_foreign_generation() -> None:
    story = told("A sea [callback-forged]")
    forged = [body for _, body in story.told if body["id"] != story.told[0][1]["id"]]
    assert [body["state"] for body in forged] == ["completed"]
    assert forged[0]["assets"]["video"].startswith("http://127.0.0.1:9/")


def test_advancing_the_clock_sends_what_is_due() -> None:
    async def advance(client: httpx.AsyncClient) -> None:
        await client.post("/_sandbox/clock", json={"advance": 3})

    first, second = told(then=advance).states()
    assert first == (3.0, "dreaming")
    assert second == (4.0, "completed")


def test_a_reset_sends_nothing_more() -> None:
    async def reset(client: httpx.AsyncClient) -> None:
        assert (await client.post("/_sandbox/reset")).status_code == 204

    assert told(then=reset).told == []


async def test_a_callback_that_would_leave_the_machine_is_not_sent() -> None:
    app = create_sandbox(SandboxConfig(generation_seconds=0))
    headers = {"Authorization": "Bearer any"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://luma", headers=headers) as client:
        body = {"model": "ray-2", "prompt": "A sea", "callback_url": "https://films.example/cb"}
        assert (await client.post("/dream-machine/v1/generations", json=body)).status_code == 201
        counts = (await client.get("/_sandbox/stats")).json()["callbacks"]
    assert counts == {"sent": 0, "delivered": 0, "given_up": 0, "refused": 1}
    await app.state.sandbox.aclose()
