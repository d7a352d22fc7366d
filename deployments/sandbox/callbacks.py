"""Callbacks as Luma sends them: on every move, unsigned, repeated until the answer is exactly 200."""

import asyncio
import ipaddress
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import isfinite
from random import Random
from typing import Final

import httpx

from deployments.sandbox.clock import Clock
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import Fault, FaultKind
from deployments.sandbox.generations import Generation, Plan

RETRIES: Final = 3
RETRY_SECONDS: Final = 0.1
TIMEOUT_SECONDS: Final = 5.0

View = Callable[[Generation, float], dict[str, object]]
"""A generation's JSON on its wire, as of a time."""


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One callback: when it is sent and which moment it tells of, in seconds since the generation was created."""

    age: float
    as_of: float
    forged: bool = False


def timetable(plan: Plan, config: SandboxConfig, random: Random, faults: Iterable[Fault] = ()) -> list[Call]:
    """The callbacks of a plan in the order they are sent: chances per call, then the faults in order."""
    calls: list[Call] = []
    for age in (plan.queued_seconds, plan.seconds):
        dropped, doubled, delayed = random.random(), random.random(), random.random()
        call = Call(age + config.callback_delay_seconds * (delayed < config.callback_delay_rate), age)
        calls += [call] * ((dropped >= config.callback_drop_rate) * (1 + (doubled < config.callback_double_rate)))
    for fault in faults:
        calls = spoilt(calls, plan, fault)
    return sorted(call for call in calls if isfinite(call.age) and isfinite(call.as_of))


def spoilt(calls: list[Call], plan: Plan, fault: Fault) -> list[Call]:
    """The timetable after one fault."""
    match fault.kind:
        case FaultKind.CALLBACK_DROP:
            return []
        case FaultKind.CALLBACK_DOUBLE:
            return calls * 2
        case FaultKind.CALLBACK_LATE:
            return [replace(call, age=call.age + fault.seconds) for call in calls]
        case FaultKind.CALLBACK_EARLY:
            return [*calls, Call(plan.queued_seconds, plan.seconds)]
        case FaultKind.CALLBACK_FORGED:
            return [*calls, Call(plan.queued_seconds, plan.queued_seconds, forged=True)]
    return calls


def forged(body: dict[str, object]) -> dict[str, object]:
    """What a stranger would send: a completed generation that isn't theirs, with a film that isn't there."""
    video = "http://127.0.0.1:9/forged.mp4"
    return {**body, "id": "00000000-0000-4000-8000-000000000000", "state": "completed", "assets": {"video": video}}


def on_loopback(url: str) -> bool:
    """Whether a URL stays on this machine."""
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Callbacks:
    """Sends every generation's callbacks at their time, one task per generation."""

    def __init__(self, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._clock = clock
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.reset()

    def start(self, generation: Generation, config: SandboxConfig, faults: list[Fault], view: View) -> None:
        """Set a generation's callbacks going; one that would leave this machine is counted and not sent."""
        url = generation.order.callback_url
        if url is None:
            return
        if not (self._transport or config.callbacks_anywhere or on_loopback(url)):
            self.counts["refused"] += 1
            return
        calls = timetable(generation.plan, config, Random(f"callbacks {generation.id}"), faults)  # noqa: S311
        task = asyncio.create_task(self._run(generation, url, calls, view), name=f"callbacks of {generation.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reset(self) -> None:
        """Send nothing more of what is under way, and count anew."""
        for task in self._tasks:
            task.cancel()
        self.counts = Counter(sent=0, delivered=0, given_up=0, refused=0)

    async def aclose(self) -> None:
        """Cancel, wait for it, and close the connections."""
        self.reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    async def _run(self, generation: Generation, url: str, calls: list[Call], view: View) -> None:
        for call in calls:
            await self._clock.sleep_until(generation.created_at + call.age)
            body = view(generation, generation.created_at + call.as_of)
            await self._deliver(url, json.dumps(forged(body) if call.forged else body).encode())

    async def _deliver(self, url: str, body: bytes) -> None:
        for attempt in range(1 + RETRIES):
            if attempt:
                await self._clock.sleep(RETRY_SECONDS)
            self.counts["sent"] += 1
            if await self._post(url, body) == 200:
                self.counts["delivered"] += 1
                return
        self.counts["given_up"] += 1

    async def _post(self, url: str, body: bytes) -> int | None:
        if self._client is None:
            # No proxy from the environment: a callback to loopback must stay there.
            self._client = httpx.AsyncClient(transport=self._transport, timeout=TIMEOUT_SECONDS, trust_env=False)
        try:
            return (
                await self._client.post(url, content=body, headers={"Content-Type": "application/json"})
            ).status_code
        except (httpx.HTTPError, UnicodeError):  # a host name may be too long to be looked up
            return None
