"""One seed → one story: everything real but time, chance, network, disk and engine."""

import asyncio
import json
import logging
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from api.bootstrap import Studio
from api.dispatch import Dispatcher
from api.events import JobWatch, QueuePlaces
from api.forecast import Limits
from api.records import JobRecords
from deployments.sandbox.app import create_sandbox
from deployments.sandbox.clock import Clock
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.drawing import DrawnClip, draw
from deployments.sandbox.generations import Order, Shape
from tasks.doorbells import Doorbells
from tasks.luma import Account, DreamMachine, Gate
from tasks.luma.polls import Polls
from tasks.luma.prices import Prices
from tasks.luma.share import CREATES, SLOTS, Share
from tasks.settings import Settings
from tests.simulation.engine import Engine, Worker
from tests.simulation.limits import SlotLimits
from tests.simulation.network import ToApi, ToLuma
from tests.simulation.people import Person
from tests.simulation.processes import START, Loop, Process
from tests.simulation.storage import Disk, Storage
from tests.simulation.watch import Watch
from tests.simulation.weather import Weather

LUMA: Final = "http://luma.test"
STUDIO: Final = "http://studio.test"
DISPATCH_EVERY: Final = 8.0
JOB_ENDS: Final = ("completed", "failed", "cancelled")
RUN_ENDS: Final = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
PATIENCE: Final = 4000.0  # seconds of the story after the last fault until every job must have ended


@dataclass
class Story:
    """What happened under one seed."""

    seed: int
    events: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def told(self) -> str:
        """All of it, one event a line."""
        return "\n".join([f"Seed {self.seed}", *self.events, *(f"!!! {rule}" for rule in self.violations)])


class _TinyClip:
    """One small clip for every order: what it shows is not looked at."""

    async def clip(self, order: Order, *, cached: bool = False) -> DrawnClip:
        return _drawn()

    def begin_ahead(self, order: Order) -> None: ...

    async def aclose(self) -> None: ...


@cache
def _drawn() -> DrawnClip:
    return draw("One clip for all", Shape(64, 36, 1), "Simulation")


@cache
def _app() -> FastAPI:
    return create_app(_settings(None, Path("unused")))


def _settings(public_url: str | None, folder: Path) -> Settings:
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        data=folder,
        luma_base_url=f"{LUMA}/dream-machine/v1",
        public_url=public_url,
        generation_deadline_seconds=300,
    )


class World:
    """All parts of one story."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.story = Story(seed)
        self.random = random.Random(seed)
        self.weather = Weather(random.Random(self.random.random()), self.log)
        self.folder = folder
        draw_one = self.random.choice
        config = SandboxConfig(
            generation_seconds=draw_one((5, 20, 60)),
            jitter=0.5,
            submit_seconds=draw_one((0, 0.5, 5)),
            list_lag_seconds=draw_one((0, 0, 5, 40)),
            dream_machine_concurrency=draw_one((1, 2, 10)),
            dream_machine_creates_per_minute=draw_one((0, 2, 20)),
            url_seconds=draw_one((3600, 3600, 0.5)),
            failure_rate=draw_one((0, 0, 0.15)),
            moderation_rate=draw_one((0, 0, 0.1)),
            callback_drop_rate=draw_one((0, 0.5)),
            callback_double_rate=draw_one((0, 0.5)),
            callback_delay_rate=draw_one((0, 0.5)),
            callback_delay_seconds=10,
            seed=seed,
        )
        self.settings = _settings(draw_one((STUDIO, STUDIO, None)), folder)
        self.luma = Process("luma", skew=self.random.uniform(-120, 120))
        self.api: Process | None = None
        self.workers: list[Process] = []
        to_api = ToApi(lambda: self.api, httpx.ASGITransport(_app(), raise_app_exceptions=False), self.weather)
        clock = Clock(start=self.luma_start(), elapsed=lambda: asyncio.get_running_loop().time())
        clock.time()  # it starts with its first use: now, not with the first generation, which would be late by minutes
        self.sandbox_app = create_sandbox(config, clock, callback_transport=to_api)
        self.sandbox = self.sandbox_app.state.sandbox
        self.sandbox.clips = _TinyClip()
        self.watch = Watch(None, self.sandbox, self.log)  # type: ignore[arg-type]
        self.storage = Storage(self.weather, self.watch.committed)
        self.watch.raw = self.storage.raw
        self.engine = Engine(self.weather, self.log)
        self.limits = {SLOTS: config.dream_machine_concurrency, CREATES: config.dream_machine_creates_per_minute}
        self.leases = SlotLimits(self.weather, self.limits)
        self.to_luma = ToLuma(self.weather, self.luma, httpx.ASGITransport(self.sandbox_app))
        self.people = httpx.AsyncClient(transport=to_api, base_url=STUDIO)
        self._generation = 0

    def luma_start(self) -> Any:
        from datetime import timedelta

        return START + timedelta(seconds=self.luma.skew)

    def log(self, event: str) -> None:
        """One line of the story."""
        at = asyncio.get_running_loop().time()
        self.story.events.append(f"{at:9.3f}  {event}")

    # Processes

    def _house(self, process: Process) -> Studio:
        records = JobRecords(self.storage.database())
        luma = DreamMachine(SecretStr("key"), self.settings.luma_base_url, transport=self.to_luma)
        gate = Gate(*self.limits.values())
        share = Share(
            gate,
            lessor=self.leases,
            ledger=records,
            every=6.0,
            share_id=UUID(int=self.random.getrandbits(128)),
        )
        return Studio(
            settings=self.settings,
            records=records,
            media=Disk(self.folder / "media", self.weather),
            luma=luma,
            gate=gate,
            account=Account("dream-machine", luma, gate, records, every=6.0),
            polls=Polls(luma, share=lambda: 0.2),
            share=share,
            doorbells=Doorbells(records, every=6.0),
            prices=Prices.load(None),
        )

    def _begin(self, name: str) -> Process:
        self._generation += 1
        process = Process(f"{name}#{self._generation}", skew=self.random.uniform(-20, 20))
        self.log(f"{process.name} starts")
        return process

    def start_worker(self) -> Process:
        """One more worker; it sweeps at its start."""
        process = self._begin("worker")
        worker = Worker(self.engine, self._house(process), process, self.log)
        self.engine.sweep()
        self.workers.append(process)
        process.spawn(worker.work())
        return process

    def start_api(self) -> None:
        """The API; there is one at a time."""
        self.api = process = self._begin("api")
        house = self._house(process)
        dispatcher = Dispatcher(house.records, self.engine)  # type: ignore[arg-type]
        state = _app().state
        state.studio, state.prefect, state.dispatcher = house, self.engine, dispatcher
        state.watch, state.places = JobWatch(house.records), QueuePlaces(house.records, house.account, Limits(10, 20))
        process.spawn(self._dispatch(dispatcher))

    async def _dispatch(self, dispatcher: Dispatcher) -> None:
        while True:
            for step, due in ((dispatcher.send, self.watch.untold), (dispatcher.reconcile, self.watch.alive)):
                if not due():
                    continue
                try:
                    await step()
                except Exception as error:  # noqa: BLE001 -- as the dispatcher does
                    self.log(f"api: dispatching: {type(error).__name__}")
            await asyncio.sleep(DISPATCH_EVERY)

    async def keep_running(self) -> None:
        """A supervisor: what has died is started again."""
        down: dict[str, float] = {}
        while True:
            await asyncio.sleep(1)
            now = asyncio.get_running_loop().time()
            dead = [("api", self.api)] if self.api and not self.api.alive else []
            dead += [("worker", worker) for worker in self.workers if not worker.alive]
            for kind, process in dead:
                assert process is not None
                if process.name not in down:
                    self.log(f"{process.name} is dead")
                    down[process.name] = now + (1 if self.weather.calm else self.random.choice((1, 5, 30, 100)))
                elif now >= down[process.name]:
                    if kind == "api":
                        self.start_api()
                    else:
                        self.workers.remove(process)
                        self.start_worker()

    # The story

    async def tell(self) -> None:
        """From the first word to the last."""
        self.to_luma.sending = self._sending
        self._count_charges()
        self.start_api()
        for _ in range(self.random.choice((1, 1, 2))):
            self.start_worker()
        keeper = Process("keeper")
        keeper.spawn(self.keep_running())
        keeper.spawn(self.engine.beat())
        person = Person(self, self.random)
        world = Process("person")
        await world.spawn(person.live())
        await self._ended()
        self.watch.final(healed=False)
        await world.spawn(person.retry_everything())
        await self._ended()
        self.watch.final(healed=True)
        for process in (keeper, world, self.luma, self.api, *self.workers):
            if process:
                process.kill()
        await self.people.aclose()

    def _sending(self, request: httpx.Request) -> None:
        before, _, last = request.url.path.rpartition("/")
        if request.method == "POST":
            self.watch.sending(json.loads(request.content))
        elif before.endswith("/generations"):
            self.watch.asking(last)

    def _count_charges(self) -> None:
        submit = self.sandbox.submit

        def told(order: Order, view: Any) -> Any:
            generation = submit(order, view)
            self.watch.charged(generation.number, {"callback_url": order.callback_url})
            return generation

        self.sandbox.submit = told

    async def _ended(self) -> None:
        """Wait until all jobs have ended, or far too long."""
        end = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < end:
            jobs_ended = all(job["status"] in JOB_ENDS for job in self.watch.jobs.values())
            if jobs_ended and all(run.state in RUN_ENDS for run in self.engine.runs.values()):
                return
            await asyncio.sleep(5)


@contextmanager
def _folder() -> Iterator[Path]:
    memory = Path("/dev/shm")  # noqa: S108 -- memory, where there is some
    folder = Path(tempfile.mkdtemp(prefix="storyreel-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


async def _simulate(seed: int) -> Story:
    with _folder() as folder:
        world = World(seed, folder)
        await world.tell()
        world.story.violations = world.watch.violations
        world.story.counts = {
            "jobs": len(world.watch.jobs),
            "attempts": len(world.watch.attempts),
            "generations": len(world.sandbox.generations),
            "processes": world._generation,
        }
        return world.story


def simulate(seed: int) -> Story:
    """Run one seed."""
    logging.disable(logging.CRITICAL)
    before = random.getstate()
    random.seed(seed)
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.get_loop().set_exception_handler(lambda *_: None)
            return runner.run(_simulate(seed))
    finally:
        random.setstate(before)
        logging.disable(logging.NOTSET)
