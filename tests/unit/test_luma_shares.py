"""Dividing one limit between processes: tables, and what must hold for any of them."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.luma.shares import Claim, divide, part, spare


def claim(name: int, held: int, waiting: int, jobs: int = 1) -> Claim:
    return Claim(UUID(int=name), held, waiting, jobs)


def parts(limit: int, *claims: Claim, turn: int = 0) -> list[int]:
    divided = divide(limit, claims, turn)
    return [divided[one.id] for one in claims]


@pytest.mark.parametrize(
    ("limit", "claims", "wanted"),
    [
        (10, [claim(1, 10, 30), claim(2, 0, 30)], [5, 5]),
        (10, [claim(1, 10, 30, 3), claim(2, 0, 30, 1)], [8, 2]),  # 7.5 and 2.5: the odd one is the first's turn
        (10, [claim(1, 10, 30), claim(2, 0, 2)], [8, 2]),  # nobody gets more than it needs
        (10, [claim(1, 8, 30), claim(2, 3, 0)], [7, 3]),  # who waits for nothing keeps what it has
        (10, [claim(1, 0, 9), claim(2, 0, 9), claim(3, 0, 1)], [5, 4, 1]),
        (1, [claim(1, 1, 5), claim(2, 0, 5)], [1, 0]),
        (2, [claim(1, 4, 5), claim(2, 0, 0)], [2, 0]),
        (2, [claim(1, 4, 0), claim(2, 0, 1)], [4, 0]),  # more runs than should: found at Luma after a crash
    ],
)
def test_a_limit_is_divided_by_waiting_jobs(limit: int, claims: list[Claim], wanted: list[int]) -> None:
    assert parts(limit, *claims) == wanted


def test_an_odd_slot_goes_round() -> None:
    claims = [claim(name, 0, 9) for name in (1, 2, 3)]
    assert [parts(1, *claims, turn=turn) for turn in range(4)] == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(("others", "mine"), [([], 10), ([claim(2, 3, 0)], 10), ([claim(2, 3, 2)], 10)])
def test_all_of_it_may_be_used_while_there_is_enough_for_everybody(others: list[Claim], mine: int) -> None:
    assert part(10, claim(1, 5, 0), others) == mine


CLAIMS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=6)


@given(st.integers(1, 30), CLAIMS, st.integers(0, 99))
def test_nothing_is_left_nothing_is_given_twice_and_nobody_gets_more_than_it_needs(
    limit: int, numbers: list[tuple[int, int, int]], turn: int
) -> None:
    claims = [claim(name, *one) for name, one in enumerate(numbers)]
    divided = divide(limit, claims, turn)
    assert divided.keys() == {one.id for one in claims}
    assert all(0 <= divided[one.id] <= one.needs for one in claims)
    resting = sum(one.held for one in claims if not one.waiting)
    if sum(one.needs for one in claims) >= limit > resting and any(one.waiting for one in claims):
        assert sum(divided.values()) == limit


@given(st.integers(1, 30), CLAIMS)
def test_in_the_long_run_equals_get_the_same(limit: int, numbers: list[tuple[int, int, int]]) -> None:
    claims = [claim(name, 0, 99, 2) for name in range(len(numbers))]
    sums = [sum(parts(limit, *claims, turn=turn)[place] for turn in range(len(claims))) for place in range(len(claims))]
    assert max(sums) - min(sums) == 0


@pytest.mark.parametrize(
    ("sizes", "number", "wanted"),
    [([1, 1, 1], 2, 2), ([5, 1], 4, 1), ([5, 1], 6, 6), ([2, 2], 1, 0), ([3], -1, 0), ([], 5, 0)],
)
def test_leases_are_given_back_whole(sizes: list[int], number: int, wanted: int) -> None:
    leases = dict(enumerate(sizes))
    assert sum(leases[key] for key in spare(leases, number)) == wanted
