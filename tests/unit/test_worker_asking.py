"""How many runs a worker asks for, and when again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.asking import AHEAD, ASK_SECONDS, Asking


@pytest.mark.parametrize(
    ("free", "waiting", "limit"),
    [
        (200, 0, AHEAD),  # all that may wait here
        (200, 3, AHEAD),  # the three that wait come again
        (2, 0, 2),  # no more than there is room for
        (2, 3, 5),
        (0, 0, 1),  # full: only to be heard of
        (200, AHEAD, AHEAD + 1),
    ],
)
def test_a_worker_asks_for_what_may_soon_begin(free: int, waiting: int, limit: int) -> None:
    assert Asking().limit(free, waiting, 100.0) == limit


def test_without_room_it_asks_once_a_second_and_again_when_there_is_some() -> None:
    asking = Asking()
    assert asking.limit(0, 0, 100.0) == 1
    asking.found(0)
    assert asking.limit(0, 0, 100.0 + ASK_SECONDS / 2) == 0  # an event said that there is one
    assert asking.again(0)
    assert asking.limit(1, 0, 100.0 + ASK_SECONDS / 2) == 1  # one has ended
    asking.found(0)
    assert not asking.again(0)
    assert asking.limit(0, 0, 100.0 + 2 * ASK_SECONDS) == 1


@pytest.mark.parametrize(
    ("found", "waiting", "again"),
    [(AHEAD, AHEAD // 2, True), (AHEAD, AHEAD // 2 + 1, False), (AHEAD - 1, 0, False), (0, 0, False)],
)
def test_it_asks_again_when_there_may_be_more_and_half_of_its_own_have_begun(
    found: int, waiting: int, *, again: bool
) -> None:
    asking = Asking()
    assert asking.limit(200, 0, 0.0) == AHEAD
    asking.found(found)
    assert asking.again(waiting) is again


@given(st.integers(0, 40), st.integers(1, 20), st.lists(st.integers(1, 3), min_size=200, max_size=200))
def test_every_run_of_the_pool_begins(pool: int, free: int, ends: list[int]) -> None:
    """A worker with room for `free` runs that hears of nothing but its own runs takes all of them."""
    asking, queue, waiting, running, begun = Asking(), list(range(pool)), [], [], 0
    due, now = True, 0.0
    for ending in ends:
        now += 0.1
        if due and (limit := asking.limit(free - len(waiting) - len(running), len(waiting), now)):
            found = (waiting + queue)[:limit]  # the pool shows what has not begun
            asking.found(len(found))
            new = [run for run in found if run not in waiting][: free - len(waiting) - len(running)]
            waiting, queue = waiting + new, [run for run in queue if run not in new]
        due = False
        if waiting:
            running.append(waiting.pop(0))
            begun += 1
            due = due or asking.again(len(waiting))
        elif running:
            del running[:ending]
            due = due or asking.again(len(waiting))
        if round(now, 1) % 5 == 0:
            due = True  # the worker asks every five seconds in any case
    assert begun == pool
