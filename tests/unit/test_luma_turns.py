"""Whose turn it is: tables and arbitrary histories."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.luma.turns import Turns


def drain(turns: Turns[str]) -> list[str]:
    order = []
    while turns:
        order.append(turns.pop())
    return order


@pytest.mark.parametrize(
    ("joined", "order"),
    [
        ("", ""),
        ("a1 a2 a3", "a1 a2 a3"),
        ("a1 a2 a3 b1 b2", "a1 b1 a2 b2 a3"),
        ("a1 a2 b1 c1 c2 c3", "a1 b1 c1 a2 c2 c3"),
    ],
)
def test_round_robin_by_job_and_oldest_first_within(joined: str, order: str) -> None:
    turns: Turns[str] = Turns()
    for waiter in joined.split():
        turns.join(waiter[0], waiter)
    assert len(turns) == len(joined.split())
    assert drain(turns) == order.split()


def test_three_scenes_are_not_starved_by_forty() -> None:
    turns: Turns[str] = Turns()
    for n in range(40):
        turns.join("long", f"long {n}")
    for n in range(3):
        turns.join("short", f"short {n}")
    assert turns.places() == {"long": 1, "short": 2}
    order = drain(turns)
    assert [order.index(f"short {n}") for n in range(3)] == [1, 3, 5]


def test_who_comes_back_goes_before_the_ring_and_takes_no_turn_of_its_job() -> None:
    turns: Turns[str] = Turns()
    for waiter in ("a1", "b1", "a2"):
        turns.join(waiter[0], waiter)
    turns.rejoin("b", "b0")
    turns.rejoin("a", "a0")
    assert turns.first() == "b0"
    assert turns.places() == {"b": 1, "a": 2}
    assert drain(turns) == ["b0", "a0", "a1", "b1", "a2"]


def test_leaving() -> None:
    turns: Turns[str] = Turns()
    for waiter in ("a1", "b1", "a2"):
        turns.join(waiter[0], waiter)
    turns.rejoin("c", "c0")
    for waiter in ("a1", "c0", "b1", "b1", "z9"):
        turns.leave(waiter[0], waiter)
    assert turns.places() == {"a": 1}
    assert drain(turns) == ["a2"]
    with pytest.raises(IndexError):
        turns.pop()


operations = st.lists(
    st.tuples(st.sampled_from(["join", "join", "pop", "leave"]), st.integers(0, 4)), min_size=1, max_size=120
)


@settings(deadline=None)
@given(operations)
def test_no_waiter_is_lost_doubled_or_starved(history: list[tuple[str, int]]) -> None:
    """A job that waits throughout gets its turn before any other has had two more than it."""
    turns: Turns[tuple[int, int]] = Turns()
    waiting: dict[int, list[tuple[int, int]]] = {job: [] for job in range(5)}
    since_turn: dict[int, Counter[int]] = {}  # waiting job → turns of others since it began to wait or had one
    for number, (what, job) in enumerate(history):
        if what == "join":
            turns.join(job, (job, number))
            waiting[job].append((job, number))
            since_turn.setdefault(job, Counter())
        elif what == "leave" and waiting[job]:
            gone = waiting[job].pop(number % len(waiting[job]))
            turns.leave(job, gone)
        elif what == "pop" and turns:
            place_of = turns.places()
            got = turns.pop()
            assert got == waiting[got[0]].pop(0)
            assert place_of[got[0]] == 1
            for other, counts in since_turn.items():
                if other != got[0]:
                    counts[got[0]] += 1
                    assert counts[got[0]] <= 1
            since_turn[got[0]] = Counter()
        for idle in [job for job in since_turn if not waiting[job]]:
            del since_turn[idle]
        assert set(turns.places()) == set(since_turn)
        assert len(turns) == sum(map(len, waiting.values()))
