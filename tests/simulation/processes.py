"""Processes that die honestly, in a loop without threads whose time jumps: the ground of the simulation."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from tasks.clock import CLOCK
from tests.virtual_time import VirtualLoop

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
_numbers = count()


class Died(BaseException):
    """The process that tried this is dead: nothing it does reaches the world."""


class Process:
    """Tasks that live and die together, and their wall clock.

    A crash cancels the tasks so that Python can clean up, but every edge (database, network, files) refuses the dead,
    so that what `finally` and `except` blocks would still do has no effect, as after `kill -9`.
    """

    def __init__(self, name: str, skew: float = 0.0) -> None:
        self.name, self.skew = name, skew
        self.alive = True
        self.stalled_until = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()

    def now(self) -> datetime:
        """Its wall clock, `skew` seconds off."""
        return START + timedelta(seconds=asyncio.get_running_loop().time() + self.skew)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task of this process, and all tasks that it starts."""
        context = Context()
        context.run(PRESENT.set, self)
        context.run(CLOCK.set, self.now)
        return asyncio.get_running_loop().create_task(work, context=context)

    def own(self, task: asyncio.Task[Any]) -> None:
        """This task dies with the process."""
        self._tasks.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and not self.alive:
            task.exception()  # looked at: nobody else will

    def kill(self) -> None:
        """End at this very moment."""
        self.alive = False
        for task in [task for task in self._tasks if task is not asyncio.current_task()]:
            task.cancel()

    def check(self) -> None:
        """Let only the living on."""
        if not self.alive:
            raise Died

    async def pass_edge(self) -> None:
        """Let only the living on, and those that are stopped (as by SIGSTOP) only when they go on."""
        self.check()
        while (left := self.stalled_until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)
            self.check()


PRESENT: Final[ContextVar[Process | None]] = ContextVar("process", default=None)


def present() -> Process:
    """The process that is at work."""
    process = PRESENT.get()
    assert process is not None, "every edge is passed by some process"
    return process


class _Task(asyncio.Task[Any]):
    """Sets of tasks keep the order in which these were made, so that a seed repeats."""

    def __init__(self, work: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._number = next(_numbers)
        super().__init__(work, **options)

    def __hash__(self) -> int:
        return self._number


class Loop(VirtualLoop):
    """Time jumps to the next timer; what threads would do happens at once."""

    def __init__(self) -> None:
        super().__init__()
        self.set_task_factory(_make_task)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        process = PRESENT.get()
        if process is not None:
            process.check()
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 -- as an executor does
            future.set_exception(error)
        return future


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], *, context: Context | None = None
) -> _Task:
    task = _Task(work, loop=loop, context=context)
    process = context.get(PRESENT) if context is not None else PRESENT.get()
    if process is not None:
        process.own(task)
    return task
