"""One account's limits and money: who may create a generation now, and what a refusal says."""

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import Wire

WINDOW_SECONDS: Final = 60.0
SLOT_SECONDS: Final = 3600.0  # a job that never ends gives its slot back after an hour


class Refused(Exception):
    """The wire answers an error: its status, its `detail` and further headers."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def fingerprint(key: str) -> str:
    """What may be shown of a key: twelve hex digits of its SHA-256."""
    return sha256(key.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Limits:
    """At once and in a sliding minute; 0: no limit."""

    concurrency: int
    creates_per_minute: int

    @classmethod
    def of(cls, config: SandboxConfig, wire: Wire) -> "Limits":
        """The configured limits of one wire."""
        if wire == "dream-machine":
            return cls(config.dream_machine_concurrency, config.dream_machine_creates_per_minute)
        return cls(config.agents_concurrency, config.agents_creates_per_minute)


@dataclass(slots=True)
class Account:
    """What one key did lately: its creates within the window and its active generations' ends."""

    recent: deque[float] = field(default_factory=deque)
    ends: list[float] = field(default_factory=list)
    max_active: int = 0

    def tidy(self, now: float) -> None:
        """Forget creates that left the window and generations that ended."""
        while self.recent and self.recent[0] <= now - WINDOW_SECONDS:
            self.recent.popleft()
        while self.ends and self.ends[0] <= now:
            heapq.heappop(self.ends)

    def refusal(self, limits: Limits, now: float) -> Refused | None:
        """Why a create would be refused now; counts nothing."""
        self.tidy(now)
        if limits.creates_per_minute and len(self.recent) >= limits.creates_per_minute:
            wait = self.recent[len(self.recent) - limits.creates_per_minute] + WINDOW_SECONDS - now
            headers = {"Retry-After": str(max(1, math.ceil(wait))), "X-RateLimit-Remaining": "0"}
            return Refused(429, "Rate limit exceeded", headers)
        if limits.concurrency and len(self.ends) >= limits.concurrency:
            return Refused(429, "Too many concurrent jobs", {"Retry-After": "60"})
        return None

    def begin(self, now: float, ends_at: float) -> None:
        """Take a slot until the generation ends."""
        self.recent.append(now)
        heapq.heappush(self.ends, min(ends_at, now + SLOT_SECONDS))
        self.max_active = max(self.max_active, len(self.ends))
