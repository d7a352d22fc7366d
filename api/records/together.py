"""Changes of one job that wait for each other, in one transaction: a film's scenes often move at the same moment.

The first that comes leads: it locks the job, makes its change, lets those make theirs that have come meanwhile, and
commits for all of them. What goes wrong with one undoes all, and each of the others is made again, alone.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from api.records.base import Change, Records

_ALONE: Final[ContextVar[bool]] = ContextVar("storyreel_change_alone", default=False)


class Undone(Exception):
    """Another change of the same transaction went wrong, or nobody knows which: make this one again, `alone`."""


@contextmanager
def alone() -> Iterator[None]:
    """Changes in the block share no transaction."""
    before = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(before)


class Together:
    """A transaction that others may join until its leader has let in all that wait. Belongs to one event loop."""

    def __init__(self) -> None:
        self.open, self.shared = True, False
        self._turns: deque[asyncio.Future[Change]] = deque()
        self._left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended, self._undone = asyncio.Event(), False

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[Change]:
        """The job as those before leave it; the block's end waits for the commit. Raises `Undone`."""
        change = await self._turn()
        try:
            yield change
        except BaseException:
            self._leave(Undone())
            raise
        self._leave()
        await self._ended.wait()
        if self._undone:
            raise Undone

    async def _turn(self) -> Change:
        turn: asyncio.Future[Change] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:  # it had come in the same moment
                self._leave()
            raise

    def _leave(self, error: Undone | None = None) -> None:
        if self._left.done():  # the leader has given up meanwhile
            return
        if error:
            self._left.set_exception(error)
        else:
            self._left.set_result(None)

    async def let_in(self, change: Change) -> None:
        """Have those that wait make their changes, one after the other, and close. Raises `Undone`."""
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():  # its waiting was not cancelled
                self.shared = True
                self._left = asyncio.get_running_loop().create_future()
                turn.set_result(change)
                await self._left
        self.open = False

    def end(self, *, undone: bool) -> None:
        """Tell all who take part what has become of it."""
        self.open, self._undone = False, undone
        for turn in self._turns:
            if not turn.done():
                turn.set_exception(Undone())
        self._ended.set()


class Shared(Records):
    """Records whose changes of one job may share a transaction."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._under_way: dict[UUID, Together] = {}

    @asynccontextmanager
    async def together(self, job_id: UUID) -> AsyncIterator[Change]:
        """As `changing`, with the changes of others. Only for what `patient` makes again. Raises `Undone`."""
        others = self._under_way.get(job_id)
        if _ALONE.get():
            block = self.changing(job_id)
        elif others and others.open:
            block = others.joined()
        else:
            block = self._leading(job_id)
        async with block as change:
            yield change

    @asynccontextmanager
    async def _leading(self, job_id: UUID) -> AsyncIterator[Change]:
        others, undone = Together(), True
        self._under_way[job_id] = others
        try:
            async with self.changing(job_id, others.let_in) as change:
                yield change
            undone = False
        except IntegrityError as error:  # of any of them
            if others.shared:
                raise Undone from error
            raise
        finally:
            others.end(undone=undone)
            if self._under_way.get(job_id) is others:
                del self._under_way[job_id]
