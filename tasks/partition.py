"""Sharing a row of sizes out into neighbouring groups, as evenly as can be: plain numbers, no text."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise


def partition(sizes: Sequence[int], groups: int) -> list[int]:
    """Where each of `groups` runs of neighbours ends (exclusive), so that the largest run is as small as possible.

    Among all such sharings the one whose runs come closest to an equal share, from the left. With fewer sizes than
    groups every size is its own run. O(n log total).
    """
    groups = min(groups, len(sizes))
    if groups < 1:
        return []
    sums = [0, *accumulate(sizes)]
    cap = _smallest_cap(sums, groups)
    need = _runs_needed(sums, cap)
    ends: list[int] = []
    start = 0
    for left in range(groups - 1, -1, -1):
        start = _end_of_run(sums, need, cap, start, left)
        ends.append(start)
    return ends


def gathered(sizes: Sequence[int], cap: int) -> int:
    """The fewest runs of neighbours that hold at most `cap` each; a size over the cap is a run of its own."""
    runs, filled = 0, cap + 1
    for size in sizes:
        if filled + size > cap:
            runs, filled = runs + 1, 0
        filled += size
    return runs


def _smallest_cap(sums: Sequence[int], groups: int) -> int:
    low = max(after - before for before, after in pairwise(sums))
    high = sums[-1]
    while low < high:
        middle = (low + high) // 2
        if _fits(sums, middle, groups):
            high = middle
        else:
            low = middle + 1
    return low


def _fits(sums: Sequence[int], cap: int, groups: int) -> bool:
    at = 0
    for _ in range(groups):
        at = bisect_right(sums, sums[at] + cap) - 1
    return at == len(sums) - 1


def _runs_needed(sums: Sequence[int], cap: int) -> list[int]:
    """For each place the fewest runs under the cap that hold all from there on."""
    end = len(sums) - 1
    need = [0] * len(sums)
    after = end
    for at in range(end - 1, -1, -1):
        while sums[after] - sums[at] > cap:
            after -= 1
        need[at] = need[after] + 1
    return need


def _end_of_run(sums: Sequence[int], need: Sequence[int], cap: int, start: int, left: int) -> int:
    """The end nearest to an equal share that leaves neither too much nor too little for the `left` runs after it."""
    end = len(sums) - 1
    if left == 0:
        return end
    highest = min(bisect_right(sums, sums[start] + cap) - 1, end - left)
    lowest = start + 1
    while need[lowest] > left:
        lowest += 1
    share = sums[start] + (sums[end] - sums[start]) / (left + 1)
    after = bisect_left(sums, share, lowest, highest + 1)
    if after > highest or (after > lowest and share - sums[after - 1] <= sums[after] - share):
        after -= 1
    return after
