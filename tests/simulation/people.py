"""What people and chance do to the parts, drawn from the seed: the story's outline."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.simulation.engine import FINAL

if TYPE_CHECKING:
    from tests.simulation.simulate import World

SCRIPT: Final = "A lighthouse keeper finds a letter in a bottle. She reads it by lamplight and rows out to answer it."
PROMPTS: Final = ("A lamp in the fog", "A boat at dawn", "A letter on a table", "A gull over the pier")


class Person:
    """Everybody outside: makes jobs, looks, cancels, retries; and the faults that are no one call's."""

    def __init__(self, world: "World", random: Random) -> None:
        self.world, self.random = world, random
        self.jobs: list[str] = []
        self._seen: dict[str, tuple[int, int, int]] = {}

    async def live(self) -> None:
        """The outline, then calm weather."""
        outline = [(self.random.uniform(0, 20), self._submit) for _ in range(self.random.choice((1, 1, 2, 3)))]
        events = self._events()
        theme = self.random.sample(events, k=self.random.choice((1, 2, 3, len(events))))
        for _ in range(self.random.choice((0, 3, 6, 12))):
            outline.append((self.random.uniform(5, 200), self.random.choice(theme)))
        looking = asyncio.create_task(self._look())
        asks = [asyncio.create_task(self._at(when, what)) for when, what in sorted(outline, key=lambda e: e[0])]
        await asyncio.gather(*asks)
        await asyncio.sleep(self.random.choice((10, 30, 120)))
        self.world.weather.clear()
        self.world.sandbox.config = self.world.sandbox.config.changed(failure_rate=0, moderation_rate=0)
        self.world.log("calm weather")
        looking.cancel()

    async def _at(self, when: float, what: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(when)
        await what()

    def _events(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self._cancel,
            self._cancel_and_retry,
            self._retry,
            self._regenerate,
            self._retry_in_prefect,
            self._wake_in_prefect,
            self._forge,
            self._kill_worker,
            self._kill_all,
            self._kill_api,
            self._stall_worker,
            self._lose_file,
            self._away("database_away", 1, 30),
            self._away("luma_away", 5, 200),
            self._away("prefect_away", 5, 100),
            self._away("disk_full", 5, 60),
            self._account,
        ]

    # What people ask

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        try:
            return await self.world.people.request(method, path, **more)
        except httpx.HTTPError:
            return None

    async def _submit(self) -> None:
        scenes = [
            {"description": p, "prompt": p} for p in self.random.choices(PROMPTS, k=self.random.choice((1, 2, 3)))
        ]
        body = {"script": SCRIPT, "storyboard": scenes, "options": {"duration": "5s", "resolution": "540p"}}
        key = f"key-{self.random.random()}"
        twice = self.random.random() < 0.2
        answers: list[httpx.Response | None] = []
        while not any(answer and answer.status_code == 202 for answer in answers):
            ask = [self._ask("POST", "/api/generate", json=body, headers={"Idempotency-Key": key})] * 1
            if twice:
                ask.append(self._ask("POST", "/api/generate", json=body, headers={"Idempotency-Key": key}))
            answers += await asyncio.gather(*ask)
            await asyncio.sleep(3)
        ids = {answer.json()["jobId"] for answer in answers if answer and answer.status_code == 202}
        if len(ids) > 1:
            self.world.watch.violated("one Idempotency-Key made two jobs")
        self.jobs.append(ids.pop())

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(10)
            for job in self.jobs:
                if self._seen.get(job.replace("-", ""), (0,))[0] == self.world.watch.revision(job.replace("-", "")):
                    continue
                answer = await self._ask("GET", f"/api/job/{job}")
                if answer and answer.status_code == 200:
                    self.world.watch.answered(answer.json(), self._seen)

    async def _tell(self, path: str, *, restarts: bool = False) -> httpx.Response | None:
        if not self.jobs:
            return None
        job = self.random.choice(self.jobs)
        return await self._tell_job(job, path, restarts=restarts)

    async def _tell_job(self, job: str, path: str, *, restarts: bool = False) -> httpx.Response | None:
        name = self.world.watch.names.get(job.replace("-", ""), "?")
        self.world.log(f"person: {path} {name}")
        if restarts:
            self.world.watch.restarts[job.replace("-", "")] += 1
        answer = await self._ask("POST", f"/api/job/{job}/{path}")
        if restarts and answer is not None and 400 <= answer.status_code < 500:
            self.world.watch.restarts[job.replace("-", "")] -= 1
        return answer

    async def _cancel(self) -> None:
        await self._tell("cancel")

    async def _cancel_and_retry(self) -> None:
        await self._cancel()
        await asyncio.sleep(self.random.choice((1, 8, 20)))
        await self._retry()

    async def _retry(self) -> None:
        await self._tell("retry", restarts=True)

    async def _regenerate(self) -> None:
        await self._tell(f"scenes/{self.random.choice((1, 2))}/regenerate", restarts=True)

    async def _retry_in_prefect(self) -> None:
        """An operator has a run that has ended run once more."""
        if ended := [run for run in self.world.engine.runs.values() if run.state in FINAL]:
            run = self.random.choice(ended)
            if self.world.watch.ended_in(run.id):
                self.world.watch.restarts[str(run.order["job_id"]).replace("-", "")] += 1
            self.world.engine.retry(run)

    async def _wake_in_prefect(self) -> None:
        """A last heartbeat that came after the end: Prefect schedules the run again, and nobody has asked for that."""
        if ended := [run for run in self.world.engine.runs.values() if run.state in FINAL]:
            self.world.engine.give_back(self.random.choice(ended))

    async def retry_everything(self) -> None:
        """In calm weather, ask for whatever is missing, as often as it takes a person to see it through."""
        for job in self.jobs:
            while (answer := await self._tell_job(job, "retry", restarts=True)) is None or answer.status_code >= 500:
                await asyncio.sleep(5)

    async def _forge(self) -> None:
        tokens = [attempt["token"] for attempt in self.world.watch.attempts.values()]
        token = self.random.choice([*tokens, "x" * 32])
        body = {"id": "forged", "state": "completed", "assets": {"video": "http://127.0.0.1:9/forged.mp4"}}
        self.world.log("stranger: a forged callback")
        answer = await self._ask("POST", f"/api/luma/callback/{token}", json=body)
        if answer is not None and answer.status_code != 200:
            self.world.watch.violated(f"a callback was answered with {answer.status_code}")

    # What chance does

    async def _kill_worker(self) -> None:
        living = [worker for worker in self.world.workers if worker.alive]
        if living:
            victim = self.random.choice(living)
            self.world.log(f"kill -9 {victim.name}")
            victim.kill()

    async def _kill_api(self) -> None:
        if self.world.api and self.world.api.alive:
            self.world.log(f"kill -9 {self.world.api.name}")
            self.world.api.kill()

    async def _kill_all(self) -> None:
        await self._kill_api()
        for _ in self.world.workers:
            await self._kill_worker()

    async def _stall_worker(self) -> None:
        living = [worker for worker in self.world.workers if worker.alive]
        if living:
            victim, seconds = self.random.choice(living), self.random.choice((20, 120, 400))
            self.world.log(f"{victim.name} stalls for {seconds} s")
            victim.stalled_until = asyncio.get_running_loop().time() + seconds

    async def _lose_file(self) -> None:
        clips = sorted((self.world.folder / "media").rglob("*.mp4"))
        if clips:
            self.world.log("a clip's file is gone")
            self.random.choice(clips).unlink()

    def _away(self, what: str, least: float, most: float) -> Callable[[], Awaitable[None]]:
        async def away() -> None:
            seconds = self.random.uniform(least, most)
            self.world.log(f"{what} for {seconds:.0f} s")
            setattr(self.world.weather, what, True)
            await asyncio.sleep(seconds)
            setattr(self.world.weather, what, False)

        return away

    async def _account(self) -> None:
        status, seconds = self.random.choice((401, 402, 403)), self.random.uniform(5, 100)
        self.world.log(f"Luma answers {status} for {seconds:.0f} s")
        self.world.weather.account = status
        await asyncio.sleep(seconds)
        self.world.weather.account = None
        self.world.log("the account works again")
