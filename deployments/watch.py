"""The runs that a worker runs, and what others do to them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from enum import Enum, auto
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import State, StateType
from prefect.events import Event
from prefect.states import Running

from deployments import push
from deployments.engine import Ending, InlineEngine
from deployments.recovery import owner_of
from tasks.owner import Owner

_PAGE: Final = 100

Claim = Callable[[UUID], Awaitable[State | None]]


class Verdict(Enum):
    """What a run's state in Prefect means to the worker that runs it."""

    KEEP = auto()
    CANCEL = auto()
    RECLAIM = auto()
    """Prefect took the worker for dead, and nobody has taken the run yet."""
    LEAVE = auto()


def judge(theirs: State | None, known: set[UUID], me: Owner) -> Verdict:
    """Decide about a run that this worker runs; `known` are the ids of the states which it set itself."""
    if theirs is None:
        return Verdict.LEAVE
    if theirs.type is StateType.CANCELLING:
        return Verdict.CANCEL
    if theirs.id in known or (theirs.is_paused() and theirs.name != "Suspended"):
        return Verdict.KEEP
    if theirs.is_scheduled():
        return Verdict.RECLAIM
    if theirs.type in {StateType.RUNNING, StateType.PENDING}:
        return Verdict.KEEP if owner_of(theirs) in (None, me) else Verdict.LEAVE
    return Verdict.LEAVE


class Watch:
    """Keeps a worker's runs alive in Prefect's eyes and follows what others decide about them."""

    def __init__(self, name: str) -> None:
        self.me = Owner.here(name)
        self.runs: dict[UUID, InlineEngine] = {}
        self.doubt = asyncio.Event()
        """Set when there is reason to look."""
        self._doubted: set[UUID] = set()

    def doubt_all(self) -> None:
        """Events may have been missed: look at every run."""
        self._doubted.update(self.runs)
        self.doubt.set()

    def heard(self, event: Event) -> None:
        """Look at the run that an event is about, unless it tells what its engine did itself."""
        flow_run_id = push.flow_run_id(event)
        engine = self.runs.get(flow_run_id)
        if engine and not engine.proposing and event.id not in engine.known:
            self._doubted.add(flow_run_id)
            self.doubt.set()

    def end_all(self, ending: Ending) -> None:
        """End every run early."""
        for engine in self.runs.values():
            engine.end(ending)

    async def beat(self) -> None:
        """Tell Prefect of every run that it is alive, without holding the loop for all of them."""
        for engine in list(self.runs.values()):
            engine.beat()
            await asyncio.sleep(0)

    async def look(self, client: PrefectClient, claim: Claim) -> None:
        """Compare the runs with what Prefect says of them, and follow it; `claim` makes a run this worker's."""
        doubted, self._doubted = self._doubted & self.runs.keys(), set()
        for flow_run_id, state in (await _states(client, set(self.runs), doubted)).items():
            engine = self.runs.get(flow_run_id)
            if engine and not engine.proposing and engine.ending is None:
                await self._follow(flow_run_id, engine, state, claim)

    async def _follow(self, flow_run_id: UUID, engine: InlineEngine, state: State | None, claim: Claim) -> None:
        verdict = judge(state, engine.known, self.me)
        if verdict is Verdict.CANCEL:
            engine.end(Ending.CANCELLED)
        elif verdict is Verdict.LEAVE or (
            verdict is Verdict.RECLAIM and not await _reclaim(flow_run_id, engine, claim)
        ):
            engine.end(Ending.TAKEN)


async def _reclaim(flow_run_id: UUID, engine: InlineEngine, claim: Claim) -> bool:
    """Go on with a run that Prefect gave up on, unless another worker was quicker."""
    pending = await claim(flow_run_id)
    if pending is None:
        return False
    engine.known.add(pending.id)
    if engine.is_running():
        await engine.set_state(Running())
    return True


async def _states(client: PrefectClient, runs: Collection[UUID], doubted: Collection[UUID]) -> dict[UUID, State | None]:
    """Read the states of the `doubted` runs, and those of all `runs` that are not running; None: Prefect lost it.

    A running one is most likely running here, and need not be sent with its parameters every few seconds.
    """
    states: dict[UUID, State | None] = dict.fromkeys(doubted)
    not_running = FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[StateType.RUNNING]))
    for ids, state in [*((page, None) for page in _pages(doubted)), *((page, not_running) for page in _pages(runs))]:
        found = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids), state=state), limit=_PAGE
        )
        states |= {flow_run.id: flow_run.state for flow_run in found}
    return states


def _pages(ids: Collection[UUID]) -> Iterator[list[UUID]]:
    ordered = sorted(ids)
    return (ordered[start : start + _PAGE] for start in range(0, len(ordered), _PAGE))
