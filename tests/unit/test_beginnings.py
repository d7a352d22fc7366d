import asyncio

from tasks.beginnings import Beginnings, begun
from tests.virtual_time import run


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Runs:
    """Runs that begin when they may and go on until they are let."""

    def __init__(self, beginnings: Beginnings, number: int, *, tell: bool = True) -> None:
        self.started: list[int] = []
        self.tell = [asyncio.Event() for _ in range(number)]
        self.end = [asyncio.Event() for _ in range(number)]
        self.tasks = [asyncio.create_task(self._run(beginnings, at, tell=tell)) for at in range(number)]

    async def _run(self, beginnings: Beginnings, at: int, *, tell: bool) -> None:
        async with beginnings.turn():
            self.started.append(at)
            if tell:
                await self.tell[at].wait()
                # from a task of the run, as a scene does
                await asyncio.create_task(_say())
            await self.end[at].wait()


async def _say() -> None:
    begun()
    begun()


async def test_a_run_that_has_begun_makes_room_for_one_more_in_the_order_of_asking() -> None:
    runs = Runs(Beginnings(at_once=2, longest=60), 5)
    await settle()
    assert runs.started == [0, 1]
    runs.tell[1].set()
    await settle()
    assert runs.started == [0, 1, 2]
    runs.tell[0].set()
    await settle()
    assert runs.started == [0, 1, 2, 3]
    for task in runs.tasks:
        task.cancel()


async def test_a_run_that_ends_before_it_says_so_makes_room_once() -> None:
    runs = Runs(Beginnings(at_once=1, longest=60), 4)
    await settle()
    runs.tasks[0].cancel()
    await settle()
    assert runs.started == [0, 1]
    runs.tell[1].set()
    await settle()
    runs.end[1].set()  # it made room when it began
    await settle()
    assert runs.started == [0, 1, 2]
    for task in runs.tasks:
        task.cancel()


async def test_one_that_waits_and_is_cancelled_takes_no_turn() -> None:
    runs = Runs(Beginnings(at_once=1, longest=60), 3)
    await settle()
    runs.tasks[1].cancel()
    runs.tell[0].set()
    await settle()
    assert runs.started == [0, 2]
    for task in runs.tasks:
        task.cancel()


def test_a_run_that_never_says_so_is_taken_to_have_begun() -> None:
    async def scenario() -> None:
        runs = Runs(Beginnings(at_once=1, longest=2), 2, tell=False)
        await asyncio.sleep(1.9)
        assert runs.started == [0]
        await asyncio.sleep(0.2)
        assert runs.started == [0, 1]
        for task in runs.tasks:
            task.cancel()

    run(scenario())


async def test_outside_of_a_turn_there_is_nothing_to_tell() -> None:
    begun()
