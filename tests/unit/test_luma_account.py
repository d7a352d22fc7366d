"""A refused account under virtual time: who fails, who waits, who tries, and when all go on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from tasks.luma import Account, AccountError, DreamMachine, Gate, Hold, Patience
from tasks.luma.account import LOOK_EVERY
from tests.virtual_time import run

NO_CREDITS = AccountError("The Luma account has no credits left; add some and retry.", code="luma_no_credits")
BAD_KEY = AccountError("Luma does not accept the API key; check LUMAAI_API_KEY.", code="luma_key_invalid")
PRICE = 700_000


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Rows:
    """The ledger's one row, and whether jobs are alive."""

    row: Hold | None = None
    alive: bool = True
    away: bool = False

    async def hold(self, hold_id: UUID, account: str, *, code: str, reason: str, needed_micros: int | None) -> Hold:
        self.row = self.row or Hold(hold_id, account, code, reason, datetime.now(UTC), needed_micros)
        return self.row

    async def held(self, account: str) -> Hold | None:
        if self.away:
            raise OSError("nobody listens")
        return self.row if self.row and self.row.account == account else None

    async def let_go(self, hold: Hold) -> None:
        if self.row and self.row.id == hold.id:
            self.row = None

    async def anybody_waits(self) -> bool:
        return self.alive


@dataclass
class Luma:
    """What the account's free questions answer."""

    status: int = 200
    cents: float = 1000
    asked: list[tuple[float, str]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        what = request.url.path.rpartition("/")[2]
        self.asked.append((now(), what))
        if self.status != 200:
            return httpx.Response(self.status, json={"detail": "no"})
        return httpx.Response(200, json={"credit_balance": self.cents} if what == "credits" else {"message": "pong"})


@dataclass
class Worker:
    """One process: its gate and its account."""

    gate: Gate
    account: Account
    created: list[tuple[float, str]] = field(default_factory=list)

    async def create(self, job: str, takes: Callable[[], bool], error: AccountError = NO_CREDITS) -> None:
        """What the scene task does around a create; raises when this job found the refusal out."""
        async with self.gate.slot(job) as slot:
            while not takes():
                slot.answered()
                if await self.account.refused(error, PRICE, self.account.hold):
                    raise error
                await slot.barred()
            slot.answered()
            await self.account.taken()
            self.created.append((now(), job))
            await asyncio.sleep(1)


@asynccontextmanager
async def workers(luma: Luma, rows: Rows, number: int = 1, slots: int = 3) -> AsyncIterator[list[Worker]]:
    transport = httpx.MockTransport(luma)
    async with DreamMachine(
        SecretStr("key"), "https://luma.test/v1", transport=transport, patience=Patience(reads=1)
    ) as client:
        made = []
        for _ in range(number):
            gate = Gate(slots, 0)
            made.append(Worker(gate, Account("dream-machine", client, gate, rows, random=lambda: 0.0)))
        yield made


def test_the_first_job_fails_the_others_wait_and_go_on_by_themselves() -> None:
    async def main() -> None:
        luma, rows, works = Luma(), Rows(), False
        async with workers(luma, rows) as [worker], worker.account.watched():
            jobs = [asyncio.create_task(worker.create(f"job {n}", lambda: works)) for n in range(6)]
            await asyncio.sleep(4)
            assert [job.done() for job in jobs].count(True) == 1
            with pytest.raises(AccountError, match="no credits"):
                await next(job for job in jobs if job.done())
            assert worker.gate.stats().reason == NO_CREDITS.message
            await asyncio.sleep(56)  # tries meanwhile are refused, and nobody else is burned
            assert [job.done() for job in jobs].count(True) == 1
            works = True
            await asyncio.gather(*jobs, return_exceptions=True)
            assert len(worker.created) == 5
            assert rows.row is None
            assert worker.gate.stats().reason is None

    run(main())


def test_tries_grow_rare_and_one_goes_ahead_of_all() -> None:
    async def main() -> None:
        luma, rows, tries = Luma(), Rows(), list[float]()

        def refuses() -> bool:
            tries.append(now())
            return False

        async with workers(luma, rows, slots=1) as [worker], worker.account.watched():
            jobs = [asyncio.create_task(worker.create(f"job {n}", refuses)) for n in range(3)]
            await asyncio.sleep(300)
            gaps = [later - earlier for earlier, later in pairwise(tries)]
            assert gaps[0] <= 5 + LOOK_EVERY
            assert gaps[-1] >= 60
            assert len(tries) < 10
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    run(main())


@pytest.mark.parametrize(("luma", "tries"), [(Luma(status=401), 0), (Luma(cents=10), 0), (Luma(cents=70), 1)])
def test_no_create_is_tried_while_a_free_question_tells_that_it_would_fail(luma: Luma, tries: int) -> None:
    async def main() -> None:
        rows, asked = Rows(), list[float]()

        def refuses() -> bool:
            asked.append(now())
            return False

        async with workers(luma, rows) as [worker], worker.account.watched():
            await worker.account.refused(NO_CREDITS, PRICE, None)
            job = asyncio.create_task(worker.create("job", refuses))
            await asyncio.sleep(9)
            assert len(asked) == tries
            assert luma.asked
            job.cancel()

    run(main())


def test_another_worker_holds_too_and_goes_on_too() -> None:
    async def main() -> None:
        luma, rows, works = Luma(status=401), Rows(), False
        async with workers(luma, rows, 2) as [one, two], one.account.watched(), two.account.watched():
            with pytest.raises(AccountError):
                await one.create("first", lambda: works, BAD_KEY)
            await asyncio.sleep(LOOK_EVERY)
            waiting = asyncio.create_task(two.create("second", lambda: works, BAD_KEY))
            await asyncio.sleep(20)
            assert two.gate.stats().reason == BAD_KEY.message
            assert two.created == []
            works, luma.status = True, 200
            await waiting
            await asyncio.sleep(LOOK_EVERY)
            assert one.account.hold is two.account.hold is rows.row is None
            assert one.gate.stats().reason is None

    run(main())


def test_a_worker_begins_held() -> None:
    async def main() -> None:
        luma, rows = Luma(), Rows()
        await rows.hold(UUID(int=1), "dream-machine", code="luma_forbidden", reason="Suspended.", needed_micros=PRICE)
        async with workers(luma, rows) as [worker], worker.account.watched():
            assert worker.gate.stats().reason == "Suspended."
            job = asyncio.create_task(worker.create("job", lambda: True))
            await asyncio.sleep(4)
            assert not job.done()
            await job
            assert rows.row is None

    run(main())


def test_a_refused_question_is_settled_by_one_that_is_answered() -> None:
    async def main() -> None:
        luma, rows = Luma(status=401), Rows()
        async with workers(luma, rows) as [worker], worker.account.watched():
            assert await worker.account.refused(BAD_KEY, None, None)
            assert not await worker.account.refused(BAD_KEY, None, None)
            waiting = asyncio.create_task(worker.account.works())
            await asyncio.sleep(30)
            assert not waiting.done()
            luma.status = 200
            await waiting
            assert rows.row is None

    run(main())


def test_a_question_does_not_wait_for_the_create_that_waits_for_its_place() -> None:
    async def main() -> None:
        luma, rows = Luma(status=401), Rows()
        await rows.hold(UUID(int=1), "dream-machine", code="luma_key_invalid", reason="No.", needed_micros=PRICE)
        async with workers(luma, rows, slots=1) as [worker]:
            async with worker.gate.slot("asks"), worker.account.watched():
                creates = asyncio.create_task(worker.create("creates", lambda: True))
                for pause in (30, 0):
                    assert not await worker.account.refused(BAD_KEY, None, None)
                    asking = asyncio.create_task(worker.account.works())
                    await asyncio.sleep(pause)
                    assert not asking.done()
                    luma.status = 200
                    await asking
                assert rows.row is not None  # an answer is no proof that creates are taken
                assert not creates.done()
            async with worker.account.watched():
                await creates
            assert rows.row is None

    run(main())


@pytest.mark.parametrize(("alive", "over"), [(True, False), (False, True)])
def test_with_nobody_waiting_anywhere_an_answer_is_enough(alive: bool, over: bool) -> None:
    async def main() -> None:
        luma, rows = Luma(), Rows(alive=alive)
        async with workers(luma, rows) as [api], api.account.watched():
            await api.account.refused(NO_CREDITS, PRICE, None)
            await asyncio.sleep(30)
            assert (rows.row is None) is over
            assert bool(luma.asked) is over

    run(main())


def test_a_ledger_that_is_away_changes_nothing() -> None:
    async def main() -> None:
        luma, rows = Luma(status=401), Rows()
        async with workers(luma, rows) as [worker], worker.account.watched():
            await worker.account.refused(BAD_KEY, PRICE, None)
            rows.away = True
            await asyncio.sleep(30)
            assert worker.gate.stats().reason == BAD_KEY.message
            rows.away, rows.row = False, None
            await asyncio.sleep(LOOK_EVERY)
            assert worker.gate.stats().reason is None

    run(main())


class SlowRows(Rows):
    """A ledger whose every read takes a second, and another to break off."""

    async def held(self, account: str) -> Hold | None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            raise
        return await super().held(account)


def test_a_job_that_begins_while_the_last_one_ends_is_told_of_a_refusal() -> None:
    async def main() -> None:
        rows = SlowRows()
        async with workers(Luma(), rows) as [worker]:
            account = worker.account

            async def second() -> None:
                async with account.watched():
                    rows.row = Hold(UUID(int=1), account.name, "luma_no_credits", "No money.", datetime.now(UTC), 1)
                    await asyncio.sleep(3 * LOOK_EVERY + 3)
                    assert account.hold is not None

            async with account.watched():
                await asyncio.sleep(LOOK_EVERY + 0.1)  # its second look is under way
                beginning = asyncio.create_task(second())
                await asyncio.sleep(0.6)
            await beginning

    run(main())


def test_a_refusal_that_comes_after_the_account_works_again_holds_nobody() -> None:
    async def main() -> None:
        async with workers(Luma(), Rows(), number=2) as [late, other]:
            assert await other.account.refused(NO_CREDITS, PRICE, None)
            assert not await late.account.refused(NO_CREDITS, PRICE, None)
            under = late.account.hold
            await other.account.taken()
            assert not await late.account.refused(NO_CREDITS, PRICE, under)
            assert late.account.hold is None
            assert await late.account.refused(NO_CREDITS, PRICE, late.account.hold)  # and a new one is one

    run(main())
