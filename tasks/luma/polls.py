"""All polls of one account in this process: seldom enough for Luma, often enough for who waits.

One request a second shows a hundred generations when it is for a page of Luma's list, so as soon as two are due, the
list is asked for all of them; for one alone, the generation itself. A callback is no poll: it is answered at once.
"""

import asyncio
import contextlib
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tasks import logs, metrics
from tasks.luma.client import LumaClient
from tasks.luma.durations import Durations, Schedule
from tasks.luma.errors import LumaError
from tasks.luma.listing import OVERLAP, PAGE
from tasks.luma.wire import Generation

log = logging.getLogger("storyreel.polls")

PER_SECOND: Final = 0.95  # polls of an account
BURST: Final = 2.0
TICK: Final = 0.001  # seconds; a shorter pause may be none
TOGETHER: Final = 1.0  # seconds before it is due, a generation is looked at along with others
SHARED_ANEW: Final = 1.0  # seconds after which a wait for the budget asks again what our share of it is
RING_GAP: Final = 0.25  # seconds between looks at one generation, however often its callback comes


@dataclass(eq=False, slots=True)
class Watched:
    """One generation that somebody waits for, and what was last seen of it."""

    id: str
    schedule: Schedule
    born: float
    """When it was submitted; this and the others by the loop's clock."""
    due: float
    until: float
    """Its deadline, when it is looked at in any case."""
    asked: float = -math.inf
    asking: bool = False
    rung: bool = False
    """Its callback came and has not been followed yet."""
    listed: bool = True
    """The list shows it, as far as we know."""
    answer: Generation | LumaError | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def seen(self, answer: Generation | LumaError, now: float) -> None:
        """Something was learnt at this moment."""
        self.answer = answer
        self.due = min(self.born + self.schedule.then(now - self.born), max(self.until, now))
        self.news.set()


class Polls:
    """Looks at what is watched when it is due, within the budget of the account."""

    def __init__(self, client: LumaClient, *, share: Callable[[], float] = lambda: 1.0) -> None:
        """`share`: how much of the account's budget is this process's, 0 to 1, now."""
        self.durations = Durations()
        self.polls = 0
        """Requests so far."""
        self._client, self._share = client, share
        self._watched: defaultdict[str, set[Watched]] = defaultdict(set)
        self._tokens, self._filled = BURST, -math.inf
        self._changed, self._next = asyncio.Event(), math.inf
        self._looking: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def watched(self, generation_id: str, schedule: Schedule, age: float, deadline: float) -> Iterator[Watched]:
        """Look at a generation until the block ends; `age`: seconds since it was submitted, `deadline`: from now."""
        now = _clock()
        until = now + max(0.0, deadline)
        one = Watched(generation_id, schedule, now - age, min(now - age + schedule.begin(age), until), until)
        self._watched[generation_id].add(one)
        self._heed(one)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield one
        finally:
            self._watched[generation_id].discard(one)
            if not self._watched[generation_id]:
                del self._watched[generation_id]
            if not self._watched:
                self._changed.set()

    def _heed(self, one: Watched) -> None:
        """Look again at when to poll, where this one comes before what was waited for; not for each of a thousand."""
        if one.due < self._next:
            self._changed.set()

    async def rung(self, one: Watched) -> None:
        """Its callback came: look at once."""
        one.rung = True
        while (early := one.asked + RING_GAP - _clock()) > 0:  # noqa: ASYNC110 - the clock tells no event
            await asyncio.sleep(early)
        if one.rung and not one.asking and one in self._watched.get(one.id, ()):
            self._begin(self._ask(one), [one])

    async def _look(self) -> None:
        logs.forget()  # it looks for all
        while self._watched:
            self._changed.clear()
            waiting = [one for several in self._watched.values() for one in several if not one.asking]
            due = min((one.due for one in waiting), default=math.inf)
            pause = max(due - _clock(), min(self._budget(), SHARED_ANEW))
            if pause > TICK:
                await self._pause(pause)
                continue
            self._tokens -= 1
            due_now = [one for one in waiting if one.due <= _clock() + TOGETHER]
            listed = [one for one in due_now if one.listed]
            if self._client.can_list and len(listed) > 1:
                self._begin(self._ask_list(listed), listed)
            else:
                first = min(due_now, key=lambda one: one.due)
                self._begin(self._ask(first), [first])

    def _budget(self) -> float:
        """Seconds until a poll is allowed."""
        rate, now = PER_SECOND * max(self._share(), 0.01), _clock()
        self._tokens = min(BURST, self._tokens + (now - max(self._filled, now - BURST / rate)) * rate)
        self._filled = now
        return max(0.0, (1 - self._tokens) / rate)

    async def _pause(self, seconds: float) -> None:
        """Wait, or less when what is watched changes."""
        self._next = _clock() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds if seconds < math.inf else None):
                await self._changed.wait()

    def _begin(self, asking: Coroutine[Any, Any, None], asked: list[Watched]) -> None:
        for one in asked:
            one.asking, one.asked, one.rung = True, _clock(), False
        self._start(asking, lambda: self._asked(asked))

    def _start(self, work: Coroutine[Any, Any, None], then: Callable[[], None] = lambda: None) -> None:
        def done(task: asyncio.Task[None]) -> None:
            self._asking.discard(task)
            if not task.cancelled() and (error := task.exception()):
                log.error("a poll failed", exc_info=error)
            then()

        task = asyncio.create_task(work)
        self._asking.add(task)
        task.add_done_callback(done)

    def _asked(self, asked: list[Watched]) -> None:
        for one in asked:
            one.asking = False
            if one.rung:  # while we asked
                self._start(self.rung(one))
            self._heed(one)

    async def _ask(self, one: Watched) -> None:
        self.polls += 1
        metrics.POLLS.labels("generation").inc()
        try:
            one.seen(await self._client.get(one.id), _clock())
        except LumaError as error:
            one.seen(error, _clock())

    async def _ask_list(self, asked: list[Watched]) -> None:
        """One walk over the list shows all that are watched, also those that are not due yet."""
        missing, self.polls = set(asked), self.polls + 1
        metrics.POLLS.labels("list").inc()
        try:
            await self._walk(missing)
        except LumaError as error:
            for one in missing:
                one.seen(error, _clock())
        else:
            for one in missing:  # the list doesn't show it, or not yet: ask for itself
                one.listed = False

    async def _walk(self, missing: set[Watched]) -> None:
        """Newest first, as far down as what is watched should stand; by no clock, since Luma's is another one."""
        rows, most = 0, PAGE + 2 * len(self._watched)
        async with contextlib.aclosing(self._client.generations()) as walk:  # type: ignore[type-var]
            async for row in walk:
                rows += 1
                for one in self._watched.get(row.id, ()):
                    one.seen(row, _clock())
                    self._heed(one)
                    missing.discard(one)
                if not missing or rows >= most:
                    break
        more_pages = math.ceil(max(0, rows - PAGE) / (PAGE - OVERLAP))
        self.polls += more_pages
        metrics.POLLS.labels("list").inc(more_pages)
        self._tokens -= more_pages


def _clock() -> float:
    return asyncio.get_running_loop().time()
