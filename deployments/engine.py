"""Prefect's flow engine, for many runs in one event loop."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from uuid import UUID

from prefect._flow_run_suspension import FlowRunSuspensionRequest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.flow_engine import AsyncFlowRunEngine

from deployments.run_client import RunClient
from tasks.logs import bound


class Ending(Enum):
    """Why a worker ends a run before its flow does."""

    CANCELLED = auto()
    """Somebody asked Prefect to cancel it."""
    RETURNED = auto()
    """The worker stops; the next one takes the run up."""
    TAKEN = auto()
    """The run is no longer this worker's: it was ended, suspended, or given to another one."""


@dataclass
class InlineEngine(AsyncFlowRunEngine[Any, Any]):
    """One run of one async flow among others in the same loop.

    The stock engine expects a process of its own: it starts two threads for each run, one of which the loop waits
    for, and takes a cancelled task for a crash. Here the worker watches and beats for all its runs, and `ending`
    says why a task was cancelled.
    """

    owner: str = ""
    """Message of the Running state: whose run it is."""
    ending: Ending | None = None
    proposing: bool = False
    """A change of state is on its way to Prefect: what is known here and there may differ for a moment."""
    known: set[UUID] = field(default_factory=set)
    """Ids of the states that this engine has set."""
    _run_client: RunClient | None = None
    _task: asyncio.Task[None] | None = None
    _end_later: bool = False

    @property
    def client(self) -> PrefectClient:
        """The worker's client, for this run."""
        if self._run_client is None and self.flow_run:
            self._run_client = RunClient(super().client, self.flow_run)
        return self._run_client or super().client

    def begin(self) -> asyncio.Task[None]:
        """Start the run in a task of its own, which `end` cancels once: the flow's `finally` blocks may wait."""
        self._task = asyncio.create_task(self.run())
        return self._task

    def end(self, ending: Ending) -> None:
        """End the run early; not in the middle of a change of state, which might be its last."""
        if self.ending is None and self._task is not None:
            self.ending = ending
            if self.proposing:
                self._end_later = True
            else:
                self._task.cancel()

    async def begin_run(self) -> State:
        """Begin as the stock engine does, and leave the name of a run that was made under its title."""
        if self.flow_run is not None and self.flow_run.name == self.flow_run.parameters.get("title"):
            self._flow_run_name_set = True
        return await super().begin_run()

    async def run(self) -> None:
        """Run the flow to its end, whatever that is; raises what is beyond the flow, such as Prefect being away."""
        run_id = self.flow_run.id if self.flow_run else None
        with bound(flow_run=run_id, job=(self.parameters or {}).get("job_id") or run_id):
            await self._run()

    async def _run(self) -> None:
        async with self.start():
            while self.is_running():
                async with self.run_context():
                    _result: object = await self.call_flow_fn()

    @property
    def heartbeat_seconds(self) -> None:
        """No heartbeat thread for each run: the worker beats for all of them."""
        return

    def beat(self) -> None:
        """Tell Prefect that this run is being worked on; not beside a change of state, which it might overtake."""
        if self.is_running() and not self.proposing and self.ending is None:
            self._emit_flow_run_heartbeat()

    @contextmanager
    def setup_flow_run_suspension_request(self) -> Iterator[FlowRunSuspensionRequest]:
        """No observer thread and websocket for each run: the worker watches all of them."""
        yield self._get_flow_run_suspension_request()

    async def set_state(self, state: State, force: bool = False) -> State:
        """Propose `state` to Prefect, marked with whose run it is."""
        if state.is_running() and state.message is None:
            state.message = self.owner
        self.proposing = True
        try:
            accepted = await super().set_state(state, force)
        finally:
            self.proposing = False
        self.known.add(accepted.id)
        if self.flow_run and accepted.is_running():
            self.flow_run.run_count += 1  # as Prefect has counted it now
        if self._end_later and self._task is not None and not accepted.is_final():
            self._task.cancel()
        self._end_later = False
        return accepted

    async def handle_crash(self, exc: BaseException) -> None:
        """End as the worker meant to when it cancelled the task; as crashed only when it did not."""
        if self.ending is None:
            await super().handle_crash(exc)
        elif self.ending is Ending.CANCELLED:
            await self.handle_cancellation(exc)
