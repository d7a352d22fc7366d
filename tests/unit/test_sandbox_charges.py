"""Money and limits: what an account pays, gets back, and may have under way."""

from itertools import product
from typing import Any, Literal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deployments.sandbox.account import Account, Limits, Refused, fingerprint
from deployments.sandbox.charges import MICROS_PER_CENT, agents_micros, dream_machine_micros
from deployments.sandbox.clock import Clock
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.generations import Generation, Order, Shape, State
from deployments.sandbox.sandbox import Sandbox
from tasks.luma.prices import Prices
from tasks.options import AspectRatio, Duration, Model, Resolution, VideoOptions


def test_prices_are_those_the_client_reckons_with() -> None:
    prices = Prices.load(None)
    for model, resolution, ratio, duration in product(Model, Resolution, AspectRatio, Duration):
        shape = Shape.of(resolution, ratio, duration)
        options = VideoOptions(model=model, resolution=resolution, aspect_ratio=ratio, duration=duration)
        assert dream_machine_micros(model, shape.width, shape.height, shape.seconds) == prices.price_micros(options)


@pytest.mark.parametrize(
    ("resolution", "seconds", "usd"),
    [("540p", 5, 0.15), ("720p", 5, 0.30), ("1080p", 5, 1.20), ("540p", 10, 0.45), ("1080p", 10, 3.60)],
)
def test_agents_prices(resolution: str, seconds: int, usd: float) -> None:
    assert agents_micros(resolution, seconds) == round(usd * 1_000_000)


@pytest.mark.parametrize(
    ("creates", "now", "limits", "detail", "wait"),
    [
        ([], 0, Limits(10, 20), None, None),
        ([0.0] * 20, 1, Limits(0, 20), "Rate limit exceeded", "59"),
        ([0.0] * 20, 60, Limits(0, 20), None, None),
        ([0.0, *[30.0] * 19], 59.5, Limits(0, 20), "Rate limit exceeded", "1"),
        ([0.0] * 5, 1, Limits(0, 3), "Rate limit exceeded", "59"),
        ([0.0] * 10, 61, Limits(10, 0), "Too many concurrent jobs", "60"),
        ([0.0] * 10, 101, Limits(10, 0), None, None),
        ([0.0] * 99, 1, Limits(0, 0), None, None),
    ],
)
def test_refusals(creates: list[float], now: float, limits: Limits, detail: str | None, wait: str | None) -> None:
    account = Account()
    for when in creates:
        account.tidy(when)
        account.begin(when, when + 100)
    refused = account.refusal(limits, now)
    assert (refused and refused.detail) == detail
    assert (refused and refused.headers["Retry-After"]) == wait


def test_a_stalled_generation_frees_its_slot_after_an_hour() -> None:
    account = Account()
    account.begin(0.0, float("inf"))
    assert account.refusal(Limits(1, 0), 3599) is not None
    assert account.refusal(Limits(1, 0), 3600) is None


def test_a_key_is_never_kept() -> None:
    app = Sandbox(SandboxConfig())
    shown = app.account_key("Bearer very-secret", "missing")
    assert shown == fingerprint("very-secret")
    assert "secret" not in shown
    for bad in (None, "", "Bearer", "Bearer  ", "Basic abc"):
        with pytest.raises(Refused, match="missing"):
            app.account_key(bad, "missing")


def _unseen(*_: Any) -> dict[str, Any]:
    raise AssertionError("no callback was asked for")


class AccountMachine(RuleBasedStateMachine):
    """Creates of all fates on both wires while time passes: the books always balance and the limits always hold."""

    @initialize(cents=st.integers(0, 2000), concurrency=st.integers(0, 4), rate=st.integers(0, 6))
    def open(self, cents: int, concurrency: int, rate: int) -> None:
        self.now = 0.0
        self.config = SandboxConfig(
            credits_cents=cents, dream_machine_concurrency=concurrency, dream_machine_creates_per_minute=rate,
            agents_concurrency=concurrency, agents_creates_per_minute=rate, seed=1, generation_seconds=30,
        )  # fmt: skip
        self.sandbox = Sandbox(self.config, Clock(elapsed=lambda: self.now))
        self.taken: list[Generation] = []

    @rule(
        wire=st.sampled_from(["dream-machine", "agents"]),
        key=st.sampled_from(["one", "two"]),
        fate=st.sampled_from(["", "[fail]", "[moderate]", "[stall]", "[slow:500]"]),
        cost=st.integers(1, 4_000_000),
    )
    def create(self, wire: Literal["dream-machine", "agents"], key: str, fate: str, cost: int) -> None:
        before = self.sandbox.balance_micros(wire, key)
        order = Order(wire, key, f"A sea {fate}", "ray-2", Shape(1280, 720, 5), cost, "http://luma")
        expected = self.sandbox.refusal(order)
        if expected is None:
            self.taken.append(self.sandbox.submit(order, _unseen))
        else:
            assert expected.status == 429 or before < cost
            with pytest.raises(Refused, match=expected.detail):
                self.sandbox.submit(order, _unseen)
        paid = cost if expected is None else 0
        assert self.sandbox.balance_micros(wire, key) == before - paid

    @rule(seconds=st.floats(0, 120))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.taken)).deleted = True

    @invariant()
    def books_balance(self) -> None:
        now = self.sandbox.clock.time()
        for wire, key in self.sandbox.accounts:
            mine = [g for g in self.taken if (g.order.wire, g.order.key) == (wire, key)]
            paid = sum(g.order.cost_micros for g in mine)
            back = sum(g.order.cost_micros for g in mine if g.state(now) is State.FAILED)
            expected = self.config.credits_cents * MICROS_PER_CENT - paid + back
            assert self.sandbox.balance_micros(wire, key) == expected
            assert expected >= 0

    @invariant()
    def limits_hold(self) -> None:
        now, limits = self.sandbox.clock.time(), Limits.of(self.config, "agents")
        for wire, key in self.sandbox.accounts:
            mine = [g for g in self.taken if (g.order.wire, g.order.key) == (wire, key)]
            active = sum(g.created_at <= now < min(g.ends_at, g.created_at + 3600) for g in mine)
            recent = sum(g.created_at > now - 60 for g in mine)
            assert not limits.concurrency or active <= limits.concurrency
            assert not limits.creates_per_minute or recent <= limits.creates_per_minute

    @invariant()
    def ledger_tells_all(self) -> None:
        rows: Any = self.sandbox.charges.as_json(self.sandbox.clock.time())
        assert [row["generation_id"] for row in rows["charges"]] == [g.id for g in self.taken]
        totals = rows["totals"]
        assert totals["net_micros"] == totals["charged_micros"] - totals["refunded_micros"]
        assert len({row["generation_id"] for row in rows["charges"]}) == len(self.taken)


TestAccountMachine = AccountMachine.TestCase
