"""Walking a list whose rows come and go between pages."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.luma import StrangeAnswer
from tasks.luma.listing import OVERLAP, PAGE, Page, parse_page, walk

START = datetime(2026, 1, 1, tzinfo=UTC)


class Account:
    """Rows as Luma keeps them, oldest first: their numbers, which are also their age in seconds."""

    def __init__(self, rows: int) -> None:
        self.rows = list(range(rows))
        self.calls = 0

    def page(self, offset: int) -> Page:
        self.calls += 1
        newest_first = self.rows[::-1]
        part = newest_first[offset : offset + PAGE]
        return parse_page(
            {
                "generations": [
                    {"id": f"g{n}", "created_at": (START + timedelta(seconds=n)).isoformat()} for n in part
                ],
                "has_more": offset + PAGE < len(newest_first),
            }
        )


def collect(account: Account, since: datetime | None = None, between: Any = lambda: None) -> list[int]:
    async def page(offset: int) -> Page:
        answer = account.page(offset)
        between()
        return answer

    async def main() -> list[int]:
        return [int(row.id[1:]) async for row in walk(page, since)]

    return asyncio.run(main())


@pytest.mark.parametrize("rows", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 1234])
def test_all_pages_newest_first(rows: int) -> None:
    assert collect(Account(rows)) == list(range(rows))[::-1]


def test_it_stops_at_rows_older_than_since() -> None:
    account = Account(5000)
    assert collect(account, START + timedelta(seconds=4900)) == list(range(4900, 5000))[::-1]
    assert account.calls <= 2


def test_an_undated_row_is_told_and_does_not_stop_the_walk() -> None:
    page = parse_page({"generations": [{"id": "a"}, {"id": "b", "created_at": START.isoformat()}], "has_more": False})

    async def main() -> list[str]:
        async def one(_: int) -> Page:
            return page

        return [row.id async for row in walk(one, START)]

    assert asyncio.run(main()) == ["a", "b"]


@settings(deadline=None, max_examples=300)
@given(
    st.integers(0, 600), st.lists(st.tuples(st.integers(0, 130), st.integers(0, 130)), max_size=8), st.integers(0, 999)
)
def test_what_was_there_all_the_time_is_told_exactly_once(rows: int, changes: list[tuple[int, int]], seed: int) -> None:
    """Between two pages so many rows come and so many go."""
    account = Account(rows)
    steady, todo, random, newest = set(account.rows), list(changes), Random(seed), rows

    def between() -> None:
        nonlocal newest
        if todo:
            come, go = todo.pop()
            gone = set(random.sample(account.rows, min(go, len(account.rows))))
            steady.difference_update(gone)
            account.rows = [n for n in account.rows if n not in gone] + list(range(newest, newest + come))
            newest += come

    told = collect(account, None, between)
    assert len(told) == len(set(told))
    assert steady <= set(told)


def test_a_list_without_end_is_a_strange_answer() -> None:
    async def main() -> None:
        async def same(_: int) -> Page:
            return parse_page({"generations": [{"id": f"g{n}"} for n in range(PAGE)], "has_more": True})

        async for _ in walk(same, None):
            pass

    with pytest.raises(StrangeAnswer, match="no end"):
        asyncio.run(main())


@pytest.mark.parametrize("data", [None, [], {}, {"generations": None}, {"generations": {"id": "x"}}, "x"])
def test_what_is_no_list_is_a_strange_answer(data: object) -> None:
    with pytest.raises(StrangeAnswer):
        parse_page(data)


def test_rows_without_an_id_are_left_out_but_counted() -> None:
    page = parse_page({"generations": [{"id": "a"}, {"id": None}, 7, {}]})
    assert ([row.id for row in page.rows], page.count, page.more) == (["a"], 4, False)


def test_pages_overlap_less_than_their_length() -> None:
    assert 0 < OVERLAP < PAGE // 2
