"""In Prefect's place: keeps runs and their states as its server does, and works for them as our worker does."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from api.bootstrap import Studio
from api.prefect_api import NewRun, RunState
from api.prefect_http import PrefectAway
from flows.film_job import Ended, Order, film_job
from tasks.ledger import Clip, Film, JobState
from tasks.media import film_key
from tasks.options import VideoOptions
from tasks.scene import RETRY_BACKOFF, SceneTools, again, make_clip
from tasks.storyboard import SceneDraft, Storyboard, make_storyboard
from tests.simulation.processes import Died, Process, present
from tests.simulation.weather import Weather

FINAL: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CRASHED"})
LOOK_EVERY: Final = 3.0  # seconds between a worker's looks at its runs
HEARTBEAT: Final = 90.0  # seconds until Prefect notices a silent worker
FILM_RETRIES: Final = (2.0, 10.0, 30.0)  # seconds, as the task has them


@dataclass(eq=False)
class Run:
    """One flow run."""

    id: UUID
    name: str
    key: str
    order: dict[str, Any]
    state: str = "SCHEDULED"
    message: str = ""
    holder: Process | None = None
    silent_since: float | None = None
    asked_again: bool = False
    """An operator retried it after its end, and nobody has taken it up again since then."""


class Engine:
    """Prefect's server: as much of `PrefectApi` as the dispatcher uses, and what workers do there."""

    def __init__(self, weather: Weather, log: Callable[[str], None]) -> None:
        self._weather, self._log = weather, log
        self.runs: dict[UUID, Run] = {}

    async def _call(self) -> None:
        await present().pass_edge()
        await self._weather.latency()
        await present().pass_edge()
        if self._weather.prefect_away:
            raise PrefectAway("Prefect can't be reached.")

    async def create_runs(self, runs: Sequence[NewRun]) -> list[UUID]:
        """See `PrefectApi.create_runs`."""
        await self._call()
        made = [self._made(run) for run in runs]
        if not self._weather.calm and self._weather.random.random() < 0.03:
            raise PrefectAway("Prefect's answer was lost.")
        return made

    def _made(self, new: NewRun) -> UUID:
        run = next((run for run in self.runs.values() if run.key == new.idempotency_key), None)
        if run is None:
            run = Run(uuid4(), f"R{len(self.runs) + 1}", new.idempotency_key, new.parameters)
            self.runs[run.id] = run
            self._log(f"prefect: {run.name} made")
        return run.id

    async def cancel_run(self, flow_run_id: UUID) -> None:
        """See `PrefectApi.cancel_run`."""
        await self._call()
        run = self.runs.get(flow_run_id)
        if run and run.state not in FINAL:
            self.set(run, "CANCELLED" if run.state == "SCHEDULED" else "CANCELLING")

    async def states(self, flow_run_ids: Sequence[UUID]) -> dict[UUID, RunState]:
        """See `PrefectApi.states`."""
        await self._call()
        known = [self.runs[run_id] for run_id in flow_run_ids if run_id in self.runs]
        return {run.id: RunState(run.state, run.state.title(), run.message) for run in known}

    async def deployment_status(self) -> str:
        """See `PrefectApi.deployment_status`."""
        await self._call()
        return "READY"

    def set(self, run: Run, state: str, message: str = "") -> None:
        """The run's next state."""
        run.state, run.message = state, message
        self._log(f"prefect: {run.name} {state.lower()} {message}".rstrip())

    def give_back(self, run: Run) -> None:
        """The worker of this run is gone."""
        run.holder, run.asked_again = None, False
        self.set(run, "CANCELLED" if run.state == "CANCELLING" else "SCHEDULED", "its worker is gone")

    def retry(self, run: Run) -> None:
        """An operator's word about a run that has ended."""
        run.holder, run.asked_again = None, True
        self.set(run, "SCHEDULED", "retried by an operator")

    def sweep(self) -> None:
        """A starting worker gives back the runs of dead ones on its machine."""
        for run in self.runs.values():
            if run.holder and not run.holder.alive and run.state not in FINAL:
                self.give_back(run)

    async def beat(self) -> None:
        """Give back the runs of workers that have fallen silent: also of those that only sleep."""
        while True:
            await asyncio.sleep(10)
            now = asyncio.get_running_loop().time()
            for run in self.runs.values():
                silent = run.holder and (not run.holder.alive or run.holder.stalled_until > now)
                run.silent_since = (run.silent_since or now) if silent and run.state not in FINAL else None
                if run.silent_since is not None and now - run.silent_since >= HEARTBEAT:
                    self.give_back(run)


class Worker:
    """Takes runs and sees them through, all in its own process."""

    def __init__(self, engine: Engine, house: Studio, process: Process, log: Callable[[str], None]) -> None:
        self._engine, self._house, self._process, self._log = engine, house, process, log
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    async def work(self) -> None:
        """Look for runs that are due, and for mine that somebody cancels or has taken."""
        while True:
            await self._process.pass_edge()
            if not self._engine._weather.prefect_away:
                for run in list(self._engine.runs.values()):
                    self._look(run)
            await asyncio.sleep(LOOK_EVERY)

    def _look(self, run: Run) -> None:
        task = self._tasks.get(run.id)
        if task is None and run.state == "SCHEDULED" and run.holder is None:
            run.holder = self._process
            self._engine.set(run, "RUNNING", self._process.name)
            self._tasks[run.id] = asyncio.create_task(self._see_through(run))
        elif task is not None and (run.holder is not self._process or run.state == "CANCELLING"):
            task.cancel()

    async def _see_through(self, run: Run) -> None:
        try:
            state, message = await self._run(run)
        except Exception as error:  # noqa: BLE001 -- as Prefect does
            state, message = "FAILED", repr(error)
        finally:
            self._tasks.pop(run.id, None)
        while self._engine._weather.prefect_away:
            await asyncio.sleep(LOOK_EVERY)
        await self._process.pass_edge()
        if run.holder is self._process and run.state not in FINAL:
            self._engine.set(run, state, message)

    async def _run(self, run: Run) -> tuple[str, str]:
        asked = run.order
        job_id, options = UUID(asked["job_id"]), VideoOptions.model_validate(asked["options"])
        order = Order(job_id, run.id, asked["script"], options, asked["title"], asked_again=run.asked_again)
        try:
            ended: Ended = await film_job(self._house, order, Verbs(self._house), Silence())
        except asyncio.CancelledError:
            if run.holder is not self._process:
                raise
            if run.state != "CANCELLING":
                raise
            with suppress(asyncio.CancelledError):
                await self._house.records.job_cancelled(job_id, run.id)  # the flow's hook
            return "CANCELLED", ""
        return ended.ending.upper(), ended.message


class Silence:
    """Nobody looks at artifacts."""

    def planned(self, job: JobState) -> None:
        """See `Progress.planned`."""

    def scene_ended(self) -> None:
        """See `Progress.scene_ended`."""

    def filmed(self, job: JobState, film: Film) -> None:
        """See `Progress.filmed`."""


class Verbs:
    """The three tasks, retried as Prefect retries them; the film is a few bytes that name its clips."""

    def __init__(self, house: Studio) -> None:
        self._house = house

    async def storyboard(self, script: str, options: VideoOptions, given: list[SceneDraft]) -> Storyboard:
        """See `Verbs.storyboard`."""
        return make_storyboard(script, options, given)

    async def scene(self, tools: SceneTools, job_id: UUID, number: int, total: int, options: VideoOptions) -> Clip:
        """See `Verbs.scene`."""
        tries = 0
        while True:
            try:
                return await make_clip(tools, job_id, number, options)
            except Exception as error:
                tries += 1
                if not again(error, tries):
                    raise
                await asyncio.sleep(RETRY_BACKOFF.delay(tries - 1, 0.5))

    async def film(self, job: JobState) -> Film:
        """See `Verbs.film`."""
        for pause in (*FILM_RETRIES, None):
            try:
                return await self._film(job)
            except Exception:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError

    async def _film(self, job: JobState) -> Film:
        clips = [scene.clip.video.sha256 if scene.clip else "card" for scene in job.scenes]
        key = film_key(job.id, f"{abs(hash(tuple(clips))):016x}"[:16].ljust(16, "0"))
        file = await self._house.media.put(key, "\n".join(clips).encode())
        return Film(file, file, file, file, 9.0 * len(clips), 64, 36)


__all__ = ["Died", "Engine", "Run", "Worker"]
