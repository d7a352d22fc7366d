"""The gate under virtual time: limits kept, nobody starved, slots handed on at once, cancelling safe."""

import asyncio
import math
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.luma import Gate
from tasks.luma.gate import LONGEST_HOLD, UNTOLD_HOLD
from tasks.luma.window import SKEW, UNANSWERED, WINDOW
from tests.virtual_time import run


def now() -> float:
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Let everything that is ready happen, without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


async def generate(gate: Gate, job: str, seconds: float, log: list[tuple[str, float]] | None = None) -> None:
    async with gate.slot(job) as slot:
        slot.answered()
        if log is not None:
            log.append((job, now()))
        await asyncio.sleep(seconds)


def test_no_more_than_the_limit_run_and_a_freed_slot_is_handed_on_at_once() -> None:
    async def main() -> None:
        gate, log = Gate(3, 0), []
        await asyncio.gather(*(generate(gate, "job", 10, log) for _ in range(9)))
        assert [at for _, at in log] == [0.0] * 3 + [10.0] * 3 + [20.0] * 3
        assert now() == 30.0
        assert gate.stats().held == gate.stats().waiting == 0

    run(main())


def test_a_small_job_passes_a_large_one_that_came_first() -> None:
    async def main() -> None:
        gate, log = Gate(2, 0), []
        long = [generate(gate, "long", 1, log) for _ in range(40)]
        short = [generate(gate, "short", 1, log) for _ in range(3)]
        await asyncio.gather(*long, *short)
        assert [at for job, at in log if job == "short"] == [1.0, 2.0, 3.0]
        assert now() == 22.0  # 43 seconds of work over two slots: none was idle

    run(main())


def test_creates_keep_to_the_minute() -> None:
    async def main() -> None:
        gate, log = Gate(100, 20), []
        await asyncio.gather(*(generate(gate, "job", 1, log) for _ in range(50)))
        starts = [at for _, at in log]
        assert starts == pytest.approx([0.0] * 20 + [WINDOW + SKEW] * 20 + [2 * (WINDOW + SKEW)] * 10)

    run(main())


def test_a_running_generation_takes_a_slot_without_waiting_and_holds_others_back() -> None:
    async def main() -> None:
        gate, log = Gate(1, 20), []
        gate.hold(None, "no credits")
        async with gate.slot("old", creates=False), gate.slot("older", creates=False):
            assert gate.stats().held == 2
            gate.let_go()
            new = asyncio.create_task(generate(gate, "new", 1, log))
            await settle()
            assert gate.stats().waiting == 1
            await asyncio.sleep(5)
        await new
        assert log == [("new", 5.0)]
        assert gate.stats().creates_last_minute == 1

    run(main())


def test_a_hold_ends_by_itself_and_says_why_meanwhile() -> None:
    async def main() -> None:
        gate, log = Gate(5, 0), []
        gate.hold(30, "Luma asks to wait")
        waiting = asyncio.create_task(generate(gate, "job", 1, log))
        await asyncio.sleep(10)
        stats = gate.stats()
        assert (stats.reason, stats.seconds_left, stats.waiting, stats.jobs_waiting) == ("Luma asks to wait", 20, 1, 1)
        assert gate.place("job") == 1
        assert gate.place("other") is None
        await waiting
        assert log == [("job", 30.0)]
        assert gate.stats().reason is None

    run(main())


def test_an_open_ended_hold_lasts_until_it_is_let_go_and_outlasts_a_short_one() -> None:
    async def main() -> None:
        gate, log = Gate(5, 0), []
        gate.hold(None, "no credits")
        gate.hold(1, "Luma asks to wait")
        waiting = asyncio.create_task(generate(gate, "job", 1, log))
        await asyncio.sleep(10_000)
        assert gate.stats().reason == "no credits"
        assert gate.stats().seconds_left is None
        assert log == []
        gate.let_go()
        await waiting
        assert log == [("job", 10_000.0)]

    run(main())


def test_a_longer_hold_replaces_a_shorter_one_and_not_the_reverse() -> None:
    async def main() -> None:
        gate, log = Gate(5, 0), []
        gate.hold(10, "short")
        gate.hold(20, "long")
        gate.hold(5, "shorter")
        assert gate.stats().reason == "long"
        await generate(gate, "job", 0, log)
        assert log == [("job", 20.0)]

    run(main())


@pytest.mark.parametrize(("told", "waited"), [(7.0, 7.0), (None, UNTOLD_HOLD), (86_400.0, LONGEST_HOLD), (0.0, 0.0)])
def test_after_a_refusal_the_same_creator_goes_first(told: float | None, waited: float) -> None:
    async def main() -> None:
        gate, log = Gate(2, 0), []

        async def refused_once() -> None:
            async with gate.slot("unlucky") as slot:
                others = [asyncio.create_task(generate(gate, f"other {n}", 50, log)) for n in range(5)]
                await settle()
                assert len(log) == 1  # the second slot
                await slot.refused(told)
                log.append(("unlucky", now()))
                assert gate.stats().held == 2
            await asyncio.gather(*others)

        await refused_once()
        assert log[:2] == [("other 0", 0.0), ("unlucky", waited)]
        assert log[2][1] == waited  # it left: the next of those who waited passes

    run(main())


def test_several_refused_come_back_in_the_order_of_their_refusals_and_within_the_minute() -> None:
    async def main() -> None:
        gate, log = Gate(3, 3), []

        async def refused(job: str) -> None:
            async with gate.slot(job) as slot:
                await settle()  # all three are at it
                await slot.refused(1)
                slot.answered()
                log.append((job, now()))

        await asyncio.gather(*(refused(job) for job in "abc"), *(generate(gate, job, 0, log) for job in "de"))
        assert [job for job, _ in log] == ["a", "b", "c", "d", "e"]
        assert [at for _, at in log[:3]] == pytest.approx([WINDOW + SKEW] * 3)  # a refused create counts as one

    run(main())


def test_cancelling_a_waiter_leaves_no_trace() -> None:
    async def main() -> None:
        gate, log = Gate(1, 20), []
        first = asyncio.create_task(generate(gate, "first", 10, log))
        await settle()
        doomed = asyncio.create_task(generate(gate, "doomed", 10, log))
        last = asyncio.create_task(generate(gate, "last", 10, log))
        await settle()
        doomed.cancel()
        await settle()
        assert gate.stats().waiting == 1
        await asyncio.gather(first, last)
        assert log == [("first", 0.0), ("last", 10.0)]
        assert gate.stats().held == 0

    run(main())


def test_a_slot_granted_in_the_moment_of_cancelling_goes_on_to_the_next() -> None:
    async def main() -> None:
        gate, log = Gate(1, 1), []
        release = asyncio.Event()

        async def holder() -> None:
            async with gate.slot("holder", creates=False):
                await release.wait()
            doomed.cancel()  # its future has its result, its task has not run yet

        held = asyncio.create_task(holder())
        await settle()
        doomed = asyncio.create_task(generate(gate, "doomed", 10, log))
        last = asyncio.create_task(generate(gate, "last", 10, log))
        await settle()
        release.set()
        await asyncio.gather(held, last)
        assert doomed.cancelled()
        assert log == [("last", 0.0)]  # and the place in the minute with it
        assert gate.stats().held == 0

    run(main())


def test_a_refused_creator_may_be_cancelled_while_it_waits() -> None:
    async def main() -> None:
        gate = Gate(1, 0)

        async def refused() -> None:
            async with gate.slot("job") as slot:
                await slot.refused(60)

        task = asyncio.create_task(refused())
        await settle()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert (gate.stats().held, gate.stats().waiting) == (0, 0)

    run(main())


def test_an_error_inside_gives_the_slot_back() -> None:
    async def main() -> None:
        gate = Gate(1, 0)
        with pytest.raises(ZeroDivisionError):
            async with gate.slot("job"):
                raise ZeroDivisionError
        assert gate.stats().held == 0

    run(main())


def test_less_than_the_accounts_limits_may_be_allowed() -> None:
    async def main() -> None:
        gate, log = Gate(10, 20), []
        gate.allow_slots(0)
        gate.allow_creates(0)
        waiting = [asyncio.create_task(generate(gate, "job", 1, log)) for _ in range(5)]
        await asyncio.sleep(5)
        gate.allow_creates(4)
        await asyncio.sleep(5)
        assert log == []
        gate.allow_slots(2)
        await asyncio.gather(*waiting)
        assert [at for _, at in log] == pytest.approx([10.0, 10.0, 11.0, 11.0, 10.0 + WINDOW + SKEW])

    run(main())


def test_creates_of_an_earlier_process_count() -> None:
    async def main() -> None:
        gate, log = Gate(10, 3), []
        gate.recall([50.0, 10.0])
        await asyncio.gather(*(generate(gate, "job", 1, log) for _ in range(2)))
        assert log[0] == ("job", 0.0)
        assert log[1][1] == pytest.approx(WINDOW - 50 + UNANSWERED)

    run(main())


scenes = st.lists(
    st.tuples(
        st.integers(0, 3),  # job
        st.floats(0, 30),  # arrives
        st.floats(0, 40),  # runs
        st.sampled_from(["run", "run", "run", "refused", "cancelled", "fails", "adopts"]),
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(0, 6), scenes)
def test_limits_hold_and_all_get_through(
    concurrency: int, creates_per_minute: int, work: list[tuple[int, float, float, str]]
) -> None:
    async def main() -> None:
        gate = Gate(concurrency, creates_per_minute)
        creates: list[float] = []
        running = most = 0

        def create() -> None:
            nonlocal most
            creates.append(now())
            most = max(most, running)

        async def scene(job: int, runs: float, fate: str) -> None:
            nonlocal running
            async with gate.slot(job, creates=fate != "adopts") as slot:
                running += 1
                try:
                    if fate != "adopts":
                        create()
                        slot.answered()
                    if fate == "refused":
                        await slot.refused(runs)
                        create()
                        slot.answered()
                    if fate == "fails":
                        raise ZeroDivisionError
                    await asyncio.sleep(runs)
                finally:
                    running -= 1

        async def arrive(job: int, at: float, runs: float, fate: str) -> None:
            await asyncio.sleep(at)
            task = asyncio.create_task(scene(job, runs, fate))
            if fate == "cancelled":
                await asyncio.sleep(runs / 2)
                task.cancel()
            with suppress(asyncio.CancelledError, ZeroDivisionError):
                await task

        await asyncio.gather(*(arrive(*one) for one in work))
        stats = gate.stats()
        assert (stats.held, stats.waiting) == (0, 0)
        adopted = sum(fate == "adopts" for *_, fate in work)
        assert most <= concurrency + adopted
        for first in creates:
            inside = sum(first <= at < first + WINDOW for at in creates)
            assert inside <= (creates_per_minute or math.inf)

    run(main())
