"""States by time, plans by fault, and the clock they follow."""

import asyncio
from datetime import UTC, datetime
from math import inf
from random import Random

import pytest

from deployments.sandbox.clock import Clock, rfc3339
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import Fault, FaultKind
from deployments.sandbox.generations import (
    JOB_FAILED,
    MODERATED,
    Failure,
    Generation,
    Order,
    Plan,
    Shape,
    State,
    altered,
    planned,
)
from tasks.luma.sizes import SIZES

NOON = 1_767_614_400.123456
SHAPE = Shape(1280, 720, 5)
ORDER = Order("dream-machine", "key", "A sea", "ray-2", SHAPE, 1, "http://luma")


@pytest.mark.parametrize(
    ("plan", "states"),
    [
        (Plan(1, 4), {0: "queued", 0.999: "queued", 1: "running", 3.999: "running", 4: "completed", 1e9: "completed"}),
        (Plan(1, 4, JOB_FAILED), {0: "queued", 1: "running", 4: "failed"}),
        (Plan(0, 0), {0: "completed"}),
        (Plan(0, 4), {0: "running"}),
        (Plan(1, inf), {1: "running", 1e9: "running"}),
    ],
)
def test_state_by_age(plan: Plan, states: dict[float, str]) -> None:
    generation = Generation("id", 1, ORDER, NOON, plan)
    assert {age: generation.state(NOON + age).value for age in states} == states


def test_a_moment_computed_like_the_change_is_not_before_it() -> None:
    generation = Generation("id", 1, ORDER, NOON, Plan(0.8, 4.1))
    assert generation.state(generation.created_at + 0.8) is State.RUNNING
    assert generation.state(generation.created_at + 4.1) is State.COMPLETED


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "fail"}, Plan(1, 4, JOB_FAILED)),
        ({"kind": "fail", "reason": "prompt not allowed"}, Plan(1, 4, Failure("prompt not allowed", JOB_FAILED.code))),
        ({"kind": "moderate"}, Plan(1, 4, MODERATED)),
        ({"kind": "stall"}, Plan(1, inf)),
        ({"kind": "slow", "seconds": 90}, Plan(1, 90)),
        ({"kind": "slow", "seconds": 0.5}, Plan(0.5, 0.5)),
        ({"kind": "unknown-state"}, Plan(1, 4, running_word="reviewing")),
        ({"kind": "no-assets"}, Plan(1, 4, without_assets=True)),
        ({"kind": "html"}, Plan(1, 4)),
    ],
)
def test_plan_by_fault(fault: dict[str, object], expected: Plan) -> None:
    assert altered(Plan(1, 4), Fault.model_validate(fault)) == expected


def test_plans_keep_to_pace_and_chances() -> None:
    config = SandboxConfig(generation_seconds=10, jitter=0.5, queued_share=0.1, failure_rate=0.25, moderation_rate=0.25)
    plans = [planned(config, Random(n)) for n in range(400)]
    assert all(5 <= plan.seconds <= 15 for plan in plans)
    assert all(plan.queued_seconds == pytest.approx(plan.seconds / 10) for plan in plans)
    assert 60 < sum(plan.failure is JOB_FAILED for plan in plans) < 140
    assert 60 < sum(plan.failure is MODERATED for plan in plans) < 140
    assert planned(config, Random(7)) == planned(config, Random(7))
    both = planned(config, Random(7), [Fault(kind=FaultKind.FAIL), Fault(kind=FaultKind.STALL)])
    assert (both.failure, both.seconds) == (JOB_FAILED, inf)


def test_shapes_are_those_the_client_reckons_with() -> None:
    for (resolution, ratio), (width, height) in SIZES.items():
        assert Shape.of(resolution.value, ratio.value, "5s") == Shape(width, height, 5)
        assert width % 2 == height % 2 == 0
    assert Shape.of("360p", "16:9", "10s") == Shape(640, 360, 10)


def test_a_clock_starts_where_it_is_told_and_only_goes_forward() -> None:
    passed = [100.0]
    clock = Clock(datetime(2026, 1, 5, 10, tzinfo=UTC), elapsed=lambda: passed[0])
    assert rfc3339(clock.time()) == "2026-01-05T10:00:00.000000Z"
    passed[0] += 2.5
    clock.advance(60)
    assert clock.now() == datetime(2026, 1, 5, 10, 1, 2, 500_000, UTC)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


async def test_advancing_the_clock_wakes_sleepers_in_time() -> None:
    clock = Clock()
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(sleeper("long", 1000))
        group.create_task(sleeper("short", 100))
        await asyncio.sleep(0)
        clock.advance(150)
        await asyncio.sleep(0.01)
        assert woken == ["short"]
        clock.advance(1000)
    assert woken == ["short", "long"]
