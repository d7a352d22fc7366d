"""Sharing sizes out: against every possible sharing, for small ones."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.partition import gathered, partition

sizes = st.lists(st.integers(0, 9), min_size=1, max_size=9)


@given(sizes, st.integers(1, 10))
def test_the_largest_run_is_as_small_as_any_sharing_makes_it(sizes: list[int], groups: int) -> None:
    ends = partition(sizes, groups)
    groups = min(groups, len(sizes))
    assert len(ends) == groups
    assert all(before < after for before, after in pairwise([0, *ends]))
    best = min(
        max(sum(sizes[start:end]) for start, end in pairwise([0, *cuts, len(sizes)]))
        for cuts in combinations(range(1, len(sizes)), groups - 1)
    )
    assert max(sum(sizes[start:end]) for start, end in pairwise([0, *ends])) == best


@given(sizes, st.integers(9, 30))
def test_as_few_runs_as_hold_all_under_the_cap(sizes: list[int], cap: int) -> None:
    runs = gathered(sizes, cap)
    assert max(sum(sizes[start:end]) for start, end in pairwise([0, *partition(sizes, runs)])) <= cap
    if runs > 1:
        assert max(sum(sizes[start:end]) for start, end in pairwise([0, *partition(sizes, runs - 1)])) > cap


@pytest.mark.parametrize(
    ("sizes", "groups", "ends"),
    [
        ([], 3, []),
        ([5], 3, [1]),
        ([0, 0, 0], 2, [1, 3]),
        ([1] * 10, 3, [3, 6, 10]),
        ([1] * 10, 5, [2, 4, 6, 8, 10]),
        ([3, 3, 1, 1, 1, 3], 3, [1, 3, 6]),
        ([9, 1, 1, 1], 2, [1, 4]),
        ([1, 1, 1, 9], 2, [3, 4]),
    ],
)
def test_runs_come_close_to_equal_shares(sizes: list[int], groups: int, ends: list[int]) -> None:
    assert partition(sizes, groups) == ends
