"""A Prefect worker that runs flows in its own event loop: half a second to a run's first line, a megabyte each."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, Self
from uuid import UUID

import anyio.abc
import httpx
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.context import AsyncClientContext, SyncClientContext
from prefect.events import Event
from prefect.events.worker import EventsWorker
from prefect.exceptions import Abort, ObjectNotFound, Pause
from prefect.logging.handlers import APILogWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_WORKER_QUERY_SECONDS,
    temporary_settings,
)
from prefect.states import Pending
from prefect.utilities.callables import get_call_parameters, parameters_to_args_kwargs
from prefect.utilities.engine import propose_state
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from deployments import push
from deployments.apart import leave, run_apart
from deployments.asking import Asking, scheduled
from deployments.away import be_patient
from deployments.engine import Ending, InlineEngine
from deployments.loading import Flows
from deployments.recovery import give_back, revived, sweep
from deployments.repeat import prefect_answers, repeat
from deployments.watch import Watch
from tasks.beginnings import Beginnings
from tasks.settings import Settings

POOL: Final = "storyreel"
LIMIT: Final = 200
"""Runs at a time when nothing else is said: a run waits for Luma nearly all of its life."""
BEAT_SECONDS: Final = 30.0
WATCH_SECONDS: Final = 10.0
SWEEP_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 8.0
"""For the running flows to end after SIGTERM."""
DRAIN_SECONDS: Final = 4.0
"""For the last logs and events to reach Prefect."""
SETTINGS: Final = {PREFECT_WORKER_QUERY_SECONDS: 5.0, PREFECT_CLIENT_MAX_RETRIES: 8}
"""Prefect's settings for the worker and its flows where the environment says nothing; eight tries are 510 s."""

Around = Callable[[], AbstractAsyncContextManager[object]]


def composition_root() -> AbstractAsyncContextManager[object]:
    """Open what flows need (ledger, media, Luma) for the life of a worker."""
    from api.bootstrap import studio  # noqa: PLC0415 -- every command of Prefect's imports this module
    from tasks import logs  # noqa: PLC0415

    logs.set_up(Settings())
    logs.take_over("prefect._internal")  # says plainly, with whole events in it, that Prefect's server is away
    return studio()


class InlineWorker(BaseWorker[BaseJobConfiguration, BaseVariables, BaseWorkerResult]):
    """Takes runs from a work pool and runs their flows, which must be async, in its own event loop.

    It hears of runs by event and polls beside that, gives its runs back when it stops, and takes up those of a
    worker that died here.
    """

    type = "storyreel"
    _description = "Runs async flows in the worker's own event loop."

    def __init__(
        self,
        work_pool_name: str = POOL,
        *,
        limit: int | None = None,
        around: Around | None = None,
        ready: Callable[[], None] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take what every Prefect worker takes, and `around`, entered before the first run and left after the last.

        `ready` is called once, when runs would start.
        """
        super().__init__(work_pool_name, limit=limit or LIMIT, **kwargs)
        self._around = around or composition_root
        self._ready = ready or (lambda: None)
        self._synced = asyncio.Event()
        self._resources = AsyncExitStack()
        self._flows = Flows()
        self._beginnings = Beginnings()
        self._watch = Watch(self.name)
        self._due = asyncio.Event()
        self._asking = Asking()
        self._leaving = False

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        """No variables: a run is no process of its own, and Prefect checks those of the stock worker at each run."""
        return {"job_configuration": {"env": {}}, "variables": {"type": "object", "properties": {}}}

    async def __aenter__(self) -> Self:
        """Open the resources and register with Prefect."""
        async with AsyncExitStack() as stack:
            stack.enter_context(temporary_settings(set_defaults=SETTINGS))
            await stack.enter_async_context(self._around())
            clients = await stack.enter_async_context(AsyncClientContext())
            be_patient(clients.client)
            stack.enter_context(SyncClientContext())  # or each run makes two, and reads all certificates for each
            stack.push_async_exit(super().__aexit__)
            await super().__aenter__()
            self._resources = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        """Wait for the runs to end, then close the resources."""
        await self._resources.__aexit__(*exc_info)

    async def start(
        self, run_once: bool = False, with_healthcheck: bool = False, printer: Callable[..., None] = print
    ) -> None:
        """Work until SIGTERM or SIGINT, then give back what runs; a second signal ends the process at once.

        Prefect's command serves the health check itself, so `with_healthcheck` has nothing to add.
        """

        async def serve(stop: asyncio.Event) -> None:
            await self._serve(stop, run_once=run_once, printer=printer)

        await run_apart(serve, patience=PATIENCE_SECONDS)
        await leave(_drain, patience=DRAIN_SECONDS)

    async def _serve(self, stop: asyncio.Event, *, run_once: bool, printer: Callable[..., None]) -> None:
        if not await prefect_answers(stop, printer):
            return
        async with self:
            if run_once:
                await self.get_and_submit_flow_runs()
                return
            try:
                async with asyncio.TaskGroup() as group:
                    loops = [group.create_task(loop) for loop in self._loops()]
                    printer(f"Worker {self.name!r} started!")
                    await stop.wait()
                    for loop in loops:
                        loop.cancel()
            finally:
                self._leaving = True
                self._watch.end_all(Ending.RETURNED)
        printer(f"Worker {self.name!r} stopped!")

    def _loops(self) -> list[Any]:
        every = float(PREFECT_WORKER_QUERY_SECONDS.value())
        return [
            repeat(self._sync, self.heartbeat_interval_seconds),
            repeat(self.get_and_submit_flow_runs, every, self._due),
            repeat(self._follow, WATCH_SECONDS, self._watch.doubt),
            repeat(self._sweep, SWEEP_SECONDS),
            repeat(self._watch.beat, BEAT_SECONDS),
            self._listen(),
        ]

    # What the worker does again and again

    async def _sync(self) -> None:
        """Tell Prefect that the worker is there; tell its starter when it is, for the first time."""
        await self._sync_and_initialize()
        if self._has_successfully_synced and not self._synced.is_set():
            await self._flows.warm(self.client, self._work_pool_name)
            self._synced.set()
            self._due.set()
            self._ready()

    async def _sweep(self) -> None:
        await sweep(self.client, self._work_pool_name, self._watch.me)

    async def _listen(self) -> None:
        """Hear of runs the moment they are due, and of what others do to the ones that run here."""
        await self._synced.wait()
        await push.listen(push.of_pool(self.work_pool.id), self._connected, self._heard)

    async def _follow(self) -> None:
        await self._watch.look(self.client, self._claim)

    def _connected(self) -> None:
        self._due.set()
        self._watch.doubt_all()

    def _heard(self, event: Event) -> None:
        if event.event in push.DUE:
            self._due.set()
        self._watch.heard(event)

    @property
    def _waiting(self) -> int:
        """Runs that have yet to begin."""
        return len(self._submitting_flow_run_ids) - len(self._watch.runs)

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        limit = self._asking.limit(int(self.limiter.available_tokens), self._waiting, time.monotonic())
        if not limit:
            return []
        found = await scheduled(
            self.client, self._work_pool_name, self._work_queues, limit, ahead=self._prefetch_seconds
        )
        self._asking.found(len(found))
        return found

    def _go_on(self) -> None:
        """One has begun or ended: there may be room for more."""
        if self._asking.again(self._waiting):
            self._due.set()

    # One run

    async def _submit_run(self, flow_run: FlowRun) -> None:
        """Run one scheduled run to its end."""
        try:
            async with self._beginnings.turn():
                if self._leaving or await revived(self.client, flow_run):
                    return
                if pending := await self._claim(flow_run.id):
                    await self._execute(flow_run, pending)
        except Exception:  # noqa: BLE001 -- nothing that goes wrong with one run reaches the others
            self.get_flow_run_logger(flow_run).exception("The worker could not run this")
        finally:
            self._watch.runs.pop(flow_run.id, None)
            self._submitting_flow_run_ids.discard(flow_run.id)
            self._release_limit_slot(flow_run.id)
            self._go_on()

    async def _claim(self, flow_run_id: UUID) -> State | None:
        """Make a run this worker's; None when it is someone else's, or not to be run now."""
        try:
            state = await propose_state(self.client, Pending(message=str(self._watch.me)), flow_run_id=flow_run_id)
        except (Abort, Pause):
            return None
        return state if state.is_pending() else None

    async def _execute(self, flow_run: FlowRun, pending: State) -> None:
        flow_run.state = pending
        try:
            engine = await self._engine(flow_run, pending)
        except ObjectNotFound:
            await self._mark_flow_run_as_cancelled(flow_run, {"message": "Its deployment no longer exists."})
        except Exception as exc:  # noqa: BLE001 -- importing a flow may raise anything, and so may its signature
            await self._propose_crashed_state(flow_run, f"The flow could not start: {type(exc).__name__}: {exc}")
        else:
            self._watch.runs[flow_run.id] = engine
            self._go_on()
            task = engine.begin()
            if self._leaving:
                engine.end(Ending.RETURNED)
            await asyncio.wait({task})
            await self._settle(flow_run, engine, None if task.cancelled() else task.exception())

    async def _engine(self, flow_run: FlowRun, pending: State) -> InlineEngine:
        if flow_run.deployment_id is None:
            raise ValueError("it has no deployment")
        flow = await self._flows.of(self.client, flow_run.deployment_id)
        parameters = get_call_parameters(flow.fn, *parameters_to_args_kwargs(flow.fn, flow_run.parameters))
        return InlineEngine(
            flow=flow, flow_run=flow_run, parameters=parameters, owner=str(self._watch.me), known={pending.id}
        )

    async def _settle(self, flow_run: FlowRun, engine: InlineEngine, error: BaseException | None) -> None:
        """Leave the run in the right state when its engine could not."""
        if engine.ending is Ending.TAKEN or engine.state.is_final() or engine.state.is_paused():
            return
        if engine.ending is Ending.CANCELLED:
            await self._mark_flow_run_as_cancelled(flow_run, {"message": "Cancelled before it began."})
        elif engine.ending is Ending.RETURNED or isinstance(error, Abort | httpx.TransportError):
            why = f"{self.name} had to leave this run: {error}" if error else f"{self.name} stops."
            await give_back(self.client, flow_run.id, why, by=self._watch.me)
        else:
            await self._propose_crashed_state(flow_run, f"The engine failed: {error!r}")

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> BaseWorkerResult:
        """Refuse what Prefect calls ad-hoc submission: this worker runs deployments only."""
        raise NotImplementedError("This worker runs deployments only.")


def _drain() -> None:
    EventsWorker.drain_all()
    APILogWorker.drain_all()


async def run_worker(
    settings: Settings,
    *,
    pool: str = POOL,
    name: str | None = None,
    limit: int | None = None,
    ready: Callable[[], None] | None = None,
    around: Around | None = None,
    printer: Callable[..., None] = print,
) -> int:
    """Work for a pool until SIGTERM or SIGINT; the exit status of the process.

    `ready` is called once, when runs would start; `around` is entered before the first run and left after the last,
    in the loop where flows run.
    """
    updates = {PREFECT_API_URL: settings.prefect_api_url} if settings.prefect_api_url else {}
    with temporary_settings(updates=updates):
        await InlineWorker(pool, name=name, limit=limit, ready=ready, around=around).start(printer=printer)
    return 0
