"""Several processes before one account, under virtual time: never too many, fair, nothing idle, the dead forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from tasks.clock import CLOCK
from tasks.luma import Gate
from tasks.luma.leases import SECONDS
from tasks.luma.pool import LINGER_SECONDS, LOOK_SECONDS, LOST_SECONDS
from tasks.luma.share import CREATES, SLOTS, TELL_SECONDS, GateReport, Share
from tasks.luma.window import SKEW, WINDOW
from tests.virtual_time import run

NOBODY = 2**22 - 1  # a process id that no process has
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def now() -> float:
    return asyncio.get_running_loop().time()


class Away(Exception):
    """The other side can't be reached."""


@dataclass
class Prefect:
    """Limits with leases, as Prefect's server keeps them."""

    limits: dict[str, int]
    leases: dict[UUID, tuple[str, int, float]] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)
    away: bool = False
    asked: int = 0
    seconds: float = 0.02
    """Until an answer."""

    async def lease(self, limit: str, slots: int, seconds: float) -> UUID | None:
        await self._answer()
        if self.used(limit) + slots > self.limits[limit]:
            return None
        key = uuid4()
        self.leases[key] = (limit, slots, now() + seconds)
        return key

    async def renew(self, lease: UUID, seconds: float) -> bool:
        await self._answer()
        self.used(SLOTS)
        if lease in self.leases:
            limit, slots, _ = self.leases[lease]
            self.leases[lease] = (limit, slots, now() + seconds)
        return lease in self.leases

    async def release(self, lease: UUID) -> None:
        await self._answer()
        self.leases.pop(lease, None)

    def used(self, limit: str) -> int:
        self.leases = {key: lease for key, lease in self.leases.items() if lease[2] > now()}
        leased = sum(slots for name, slots, _ in self.leases.values() if name == limit)
        return leased + self.forgotten.get(limit, 0)

    async def look(self, limit: str) -> tuple[int | None, int]:
        await self._answer()
        return self.limits[limit], self.used(limit)

    async def forget(self, limit: str, slots: int) -> None:
        await self._answer()
        self.forgotten[limit] = max(0, self.forgotten.get(limit, 0) - slots)

    def restart(self) -> None:
        """As one that keeps leases in memory, and counts in its database."""
        for limit in self.limits:
            self.forgotten[limit] = self.used(limit)
        self.leases.clear()

    async def _answer(self) -> None:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.away:
            raise Away


@dataclass
class Ledger:
    """Where gates are told of."""

    gates: dict[UUID, GateReport] = field(default_factory=dict)
    sent: list[datetime] = field(default_factory=list)

    async def tell_gate(self, mine: GateReport) -> list[GateReport]:
        self.gates[mine.id] = mine
        return [one for key, one in self.gates.items() if key != mine.id]

    async def close_gate(self, gate_id: UUID) -> None:
        self.gates.pop(gate_id, None)

    async def created_since(self, moment: datetime) -> list[datetime]:
        return [at for at in self.sent if at >= moment]


class World:
    """One account and its processes."""

    def __init__(self, slots: int, creates: int = 0) -> None:
        self.prefect, self.ledger = Prefect({SLOTS: slots, CREATES: creates}), Ledger()
        self.slots, self.creates = slots, creates
        self.running = self.most = 0
        self.begun: list[tuple[str, float]] = []

    def process(self) -> "Process":
        return Process(self)

    @asynccontextmanager
    async def generation(self, name: str) -> AsyncIterator[None]:
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.append((name, now()))
        self.ledger.sent.append(EPOCH + timedelta(seconds=now()))
        try:
            yield
        finally:
            self.running -= 1


class Process:
    """A gate of its own, on the slots of all."""

    def __init__(self, world: World) -> None:
        self.world, self.gate = world, Gate(world.slots, world.creates)
        self.share = Share(self.gate, lessor=world.prefect, ledger=world.ledger)

    async def job(self, name: str, scenes: int, seconds: float) -> None:
        async with self.share.kept(), asyncio.TaskGroup() as group:
            for _ in range(scenes):
                group.create_task(self._scene(name, seconds))

    async def _scene(self, name: str, seconds: float) -> None:
        async with self.gate.slot(name) as slot, self.world.generation(name):
            slot.answered()
            await asyncio.sleep(seconds)

    def die(self, owner: str | None = None) -> None:
        """As by `kill -9`: nothing is given back; `owner`: what others read of who it was."""
        keeping = self.share._keeping
        if keeping:
            keeping.cancel()
        told = self.world.ledger.gates
        owner = owner or str(replace(self.share._owner, pid=NOBODY))
        told[self.share.id] = replace(told[self.share.id], owner=owner)


def play(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def timed() -> None:
        loop = asyncio.get_running_loop()
        CLOCK.set(lambda: EPOCH + timedelta(seconds=loop.time()))
        await main()

    run(timed())


def test_a_process_alone_has_all_slots_with_few_requests() -> None:
    async def main() -> None:
        world = World(10)
        await world.process().job("a", 40, 30)
        assert world.most == 10
        assert now() < 121
        assert world.prefect.asked < now()  # less than one a second
        await asyncio.sleep(LINGER_SECONDS + TELL_SECONDS)
        assert world.prefect.leases == {}
        assert world.ledger.gates == {}

    play(main)


def test_the_first_scene_finds_a_slot_leased() -> None:
    async def main() -> None:
        world = World(10)
        process = world.process()
        async with process.share.kept():
            await asyncio.sleep(0.1)
            assert world.prefect.used(SLOTS) == 1
            before = now()
            async with process.gate.slot("a"):
                assert now() == before

    play(main)


def test_a_job_that_comes_while_all_is_given_back_finds_its_slots() -> None:
    async def main() -> None:
        process = World(10).process()
        for at in range(-100, 200):  # past the whole of the giving back, in steps shorter than a request
            await process.job("before", 3, 1)
            await asyncio.sleep(LINGER_SECONDS + at / 100)
            async with asyncio.timeout(10), process.share.kept():
                await asyncio.sleep(0.1)  # the storyboard
                async with process.gate.slot("after"):
                    assert process.world.prefect.used(SLOTS) >= process.gate.held

    play(main)


@pytest.mark.parametrize(("slots", "processes"), [(10, 2), (10, 3), (4, 2), (1, 2), (100, 4)])
def test_processes_together_never_pass_the_limit_and_lose_little_time(slots: int, processes: int) -> None:
    async def main() -> None:
        world = World(slots)
        jobs = [world.process().job(f"job {number}", 4 * slots, 20) for number in range(processes)]
        await asyncio.gather(*jobs)
        assert world.most == slots
        assert now() < 1.05 * processes * 4 * 20 + 2

    play(main)


def test_what_comes_while_slots_are_given_back_takes_none_of_them() -> None:
    async def main(chance: Random) -> None:
        world = World(10)
        world.prefect.seconds = 0.15
        processes = [world.process(), world.process()]

        async def job() -> None:
            await asyncio.sleep(chance.uniform(0, 6))
            await chance.choice(processes).job("a", chance.randint(1, 8), chance.uniform(0.2, 2))

        await asyncio.gather(*(job() for _ in range(14)))
        assert world.most <= world.slots

    for seed in range(120):
        play(lambda seed=seed: main(Random(seed)))


@pytest.mark.parametrize(("here", "there", "seconds"), [(10, 10, 2), (3, 17, 2), (12, 8, 1.7), (9, 11, 2.3)])
def test_two_processes_take_hardly_longer_than_one_even_with_short_generations(
    here: int, there: int, seconds: float
) -> None:
    async def main() -> None:
        world, scenes = World(10), 5
        first, second = world.process(), world.process()
        jobs = [first.job(f"here {number}", scenes, seconds) for number in range(here)]
        jobs += [second.job(f"there {number}", scenes, seconds) for number in range(there)]
        await asyncio.gather(*jobs)
        assert now() < 1.05 * (here + there) * scenes * seconds / 10

    play(main)


def test_a_small_job_elsewhere_is_not_starved_by_a_large_one() -> None:
    async def main() -> None:
        world = World(10)
        large = asyncio.create_task(world.process().job("large", 100, 20))
        await asyncio.sleep(5)
        begun = now()
        await world.process().job("small", 3, 20)
        assert now() - begun < 45  # the first that end at the other process, and its own 20 seconds
        await large
        assert now() < 1.06 * 103 * 20 / 10 + 20

    play(main)


def test_a_dead_processs_slots_come_back_within_a_lease() -> None:
    async def main() -> None:
        world = World(4)
        dead = world.process()
        dying = asyncio.create_task(dead.job("dead", 8, 1000))
        await asyncio.sleep(3)
        world.ledger.gates = {
            key: replace(one, owner="x at elsewhere (0/1/1.0)") for key, one in world.ledger.gates.items()
        }
        dead.die()
        dying.cancel()
        begun = now()
        await world.process().job("living", 4, 1)
        assert now() - begun < SECONDS + 3

    play(main)


def test_a_successor_on_the_same_machine_takes_the_slots_over_at_once() -> None:
    async def main() -> None:
        world = World(4)
        dead = world.process()
        dying = asyncio.create_task(dead.job("dead", 8, 1000))
        await asyncio.sleep(3)
        dead.die()
        dying.cancel()
        await asyncio.sleep(0)
        begun = now()
        await world.process().job("living", 4, 1)
        assert now() - begun < 3
        assert list(world.ledger.gates) != [dead.share.id]

    play(main)


def test_creates_keep_to_the_minute_over_all_processes() -> None:
    async def main() -> None:
        world = World(100, creates=20)
        await asyncio.gather(*(world.process().job(f"job {number}", 40, 1) for number in range(2)))
        starts = [at for _, at in world.begun]
        for at in starts:
            assert sum(at - WINDOW < other <= at for other in starts) <= 20
        assert now() < 3 * (WINDOW + SKEW) + 15

    play(main)


def test_a_process_begun_anew_counts_what_was_sent_before() -> None:
    async def main() -> None:
        world = World(100, creates=20)
        first = world.process()
        await first.job("before", 20, 1)
        first.die()
        await asyncio.sleep(10)
        await world.process().job("after", 5, 1)
        starts = [at for name, at in world.begun if name == "after"]
        assert min(starts) >= WINDOW
        assert min(starts) < WINDOW + SECONDS / 10

    play(main)


def test_with_prefect_away_leases_end_and_come_again() -> None:
    async def main() -> None:
        world = World(2)
        process = world.process()
        job = asyncio.create_task(process.job("a", 40, 5))
        await asyncio.sleep(10)
        world.prefect.away = True
        await asyncio.sleep(SECONDS + 10)
        assert process.gate.held == 0
        assert world.running == 0
        world.prefect.away = False
        await asyncio.sleep(5)
        assert world.running == 2
        await job

    play(main)


def test_slots_that_a_restarted_server_forgot_are_freed() -> None:
    async def main() -> None:
        world = World(2)
        job = asyncio.create_task(world.process().job("a", 80, 5))
        await asyncio.sleep(10)
        world.prefect.restart()
        await asyncio.sleep(LOST_SECONDS + LOOK_SECONDS + 25)
        assert world.running == 2
        await job
        assert world.most == 2

    play(main)


def test_an_operator_may_lower_the_limit_and_pause_everything() -> None:
    async def main() -> None:
        world = World(4)
        job = asyncio.create_task(world.process().job("a", 60, 5))
        for limit, running in ((4, 4), (1, 1), (0, 0), (4, 4)):
            world.prefect.limits[SLOTS] = limit
            await asyncio.sleep(LOOK_SECONDS + 10)
            assert world.running == running
        await job

    play(main)


def test_a_closed_process_gives_back_at_once() -> None:
    async def main() -> None:
        world = World(4)
        process = world.process()
        job = asyncio.create_task(process.job("a", 8, 100))
        await asyncio.sleep(3)
        assert world.prefect.used(SLOTS) == 4
        job.cancel()
        await process.share.close()
        assert world.prefect.used(SLOTS) == 0
        assert world.ledger.gates == {}

    play(main)
