"""Generations: their shape, their plan, and their state as a pure function of plan and age."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Final

from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import Fault, FaultKind, Wire

SHORTER_SIDE: Final = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080, "4k": 2160}


@dataclass(frozen=True, slots=True)
class Shape:
    """A clip's picture in pixels and its length."""

    width: int
    height: int
    seconds: int

    @classmethod
    def of(cls, resolution: str, aspect_ratio: str, duration: str) -> "Shape":
        """The shape behind the wire's words: the resolution names the shorter side; both sides are even."""
        across, down = (int(side) for side in aspect_ratio.split(":"))
        shorter = SHORTER_SIDE[resolution]
        longer = 2 * round(shorter * max(across, down) / min(across, down) / 2)
        width, height = (longer, shorter) if across >= down else (shorter, longer)
        return cls(width, height, int(duration.removesuffix("s")))


class State(StrEnum):
    """Where a generation stands, whatever its wire calls it."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a generation fails: Dream Machine's words and the Agents API's code."""

    reason: str
    code: str


JOB_FAILED: Final = Failure("job failed", "generation_failed")
MODERATED: Final = Failure("frame moderation failed", "content_moderated")


@dataclass(frozen=True, slots=True)
class Plan:
    """What will become of a generation, decided when it is created; times are seconds since then."""

    queued_seconds: float
    seconds: float
    failure: Failure | None = None
    running_word: str | None = None
    """What is said instead of the wire's own word for running."""
    without_assets: bool = False

    @property
    def delivers(self) -> bool:
        """Whether there will be a clip to fetch."""
        return self.failure is None and not self.without_assets and math.isfinite(self.seconds)


def planned(config: SandboxConfig, random: Random, faults: Iterable[Fault] = ()) -> Plan:
    """The plan of a new generation: the configured pace and chances, then the faults in order."""
    seconds = config.generation_seconds * (1 + config.jitter * random.uniform(-1, 1))
    chance = random.random()
    plan = Plan(seconds * config.queued_share, seconds)
    if chance < config.failure_rate:
        plan = replace(plan, failure=JOB_FAILED)
    elif chance < config.failure_rate + config.moderation_rate:
        plan = replace(plan, failure=MODERATED)
    for fault in faults:
        plan = altered(plan, fault)
    return plan


def altered(plan: Plan, fault: Fault) -> Plan:
    """The plan after one fault."""
    match fault.kind:
        case FaultKind.FAIL | FaultKind.MODERATE:
            usual = JOB_FAILED if fault.kind is FaultKind.FAIL else MODERATED
            return replace(plan, failure=Failure(fault.reason or usual.reason, fault.code or usual.code))
        case FaultKind.STALL:
            return replace(plan, seconds=math.inf)
        case FaultKind.SLOW:
            return replace(plan, seconds=fault.seconds, queued_seconds=min(plan.queued_seconds, fault.seconds))
        case FaultKind.UNKNOWN_STATE:
            return replace(plan, running_word=fault.state)
        case FaultKind.NO_ASSETS:
            return replace(plan, without_assets=True)
    return plan


@dataclass(frozen=True, slots=True)
class Order:
    """A create that its wire has checked, ready to be admitted and charged."""

    wire: Wire
    key: str
    """Fingerprint of the account's key."""
    prompt: str
    model: str
    shape: Shape
    cost_micros: int
    base_url: str
    callback_url: str | None = None
    request: dict[str, object] = field(default_factory=dict)
    """What the wire echoes of the request."""


@dataclass(slots=True)
class Generation:
    """One order that was taken."""

    id: str
    number: int
    """Counts all generations, from 1."""
    order: Order
    created_at: float
    plan: Plan
    deleted: bool = False

    @property
    def starts_at(self) -> float:
        """When it leaves the queue, in seconds since the epoch."""
        return self.created_at + self.plan.queued_seconds

    @property
    def ends_at(self) -> float:
        """When it reaches its last state, in seconds since the epoch."""
        return self.created_at + self.plan.seconds

    def state(self, now: float) -> State:
        """The state at this moment."""
        # Compared as absolute times: an age would lose the last digits, and a callback be a state behind.
        if now < self.starts_at:
            return State.QUEUED
        if now < self.ends_at:
            return State.RUNNING
        return State.FAILED if self.plan.failure else State.COMPLETED
