"""A sandbox that is started again is the same one: its ids, states, charges, limits and asset addresses."""

import math
from pathlib import Path

import pytest

from deployments.sandbox.account import Refused
from deployments.sandbox.clock import Clock
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import Fault
from deployments.sandbox.generations import Generation, Order, Shape, State
from deployments.sandbox.journal import Journal
from deployments.sandbox.sandbox import Sandbox

KEY = "abc"


def _order(prompt: str) -> Order:
    shape = Shape(64, 36, 5)
    return Order("dream-machine", KEY, prompt, "ray-2", shape, 10_000, "http://luma.test", request={"prompt": prompt})


def _sandbox(path: Path, clock: Clock, **config: object) -> Sandbox:
    return Sandbox(SandboxConfig.model_validate(config), clock, journal=Journal(path))


def _submit(sandbox: Sandbox, prompt: str) -> Generation:
    return sandbox.submit(_order(prompt), lambda generation, state: {})


async def test_a_restart_changes_nothing_that_costs(tmp_path: Path) -> None:
    path, clock = tmp_path / "state" / "sandbox.jsonl", Clock()
    before = _sandbox(path, clock, failure_rate=0.5, generation_seconds=10)
    made = [_submit(before, f"Scene {number} [fail]" if number == 3 else f"Scene {number}") for number in range(8)]
    before.faults.add(Fault(kind="stall"))
    made.append(_submit(before, "It never ends"))
    before.delete(made[1])
    with path.open("a") as file:
        file.write('\n{"generation": {"id": "cut o')  # killed while it wrote
    after = _sandbox(path, clock)
    assert list(after.generations.values()) == made
    assert made[-1].plan.seconds == math.inf
    assert after.secret == before.secret
    assert after.charges.as_json(clock.time()) == before.charges.as_json(clock.time())
    assert after.stats.prompts == before.stats.prompts
    assert after.balance_micros("dream-machine", KEY) == before.balance_micros("dream-machine", KEY)
    with pytest.raises(Refused):
        after.own("dream-machine", KEY, made[1].id)
    made.append(_submit(after, "After the restart"))
    assert list(_sandbox(path, clock).generations.values()) == made
    clock.advance(20)
    assert after.own("dream-machine", KEY, made[0].id).state(clock.time()) in (State.COMPLETED, State.FAILED)


async def test_slots_that_were_taken_are_taken_still(tmp_path: Path) -> None:
    path, clock = tmp_path / "sandbox.jsonl", Clock()
    limits = {"dream_machine_concurrency": 1, "generation_seconds": 10}
    _submit(_sandbox(path, clock, **limits), "One")
    after = _sandbox(path, clock, **limits)
    with pytest.raises(Refused, match="Too many concurrent jobs"):
        _submit(after, "Two")
    clock.advance(20)
    assert _submit(after, "Two").number == 2


async def test_a_reset_forgets_the_file_as_well(tmp_path: Path) -> None:
    path, clock = tmp_path / "sandbox.jsonl", Clock()
    before = _sandbox(path, clock)
    _submit(before, "One")
    before.reset()
    kept = _submit(before, "Two")
    assert list(_sandbox(path, clock).generations.values()) == [kept]
