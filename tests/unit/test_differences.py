"""Ledger against Luma's list: whose a generation is that nobody knows, and what it cost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api.records import Paid
from deployments.differences import Difference, KnownTo, cost, only_at_luma, only_in_ledger, summary, table
from tasks.ledger import Attempt, AttemptState
from tasks.luma import PRICES, Generation, GenerationRequest, GenerationState
from tasks.options import VideoOptions

AT = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
OPTIONS = VideoOptions()
REQUEST = GenerationRequest.of("A lighthouse in the rain.", OPTIONS)
URL = "https://films.test/api/luma/callback/"


def row(name: str, after: float = 2, *, url: str | None = None, **more: Any) -> Generation:
    """A generation begun so many seconds after the moment."""
    sent = URL + url if url else None
    given = {"state": GenerationState.COMPLETED, "request": REQUEST.body(), "model": "ray-2"} | more
    return Generation(id=name, created_at=AT + timedelta(seconds=after), callback_url=sent, **given)


def attempt(number: int, after: float = 0, *, url: str | None = None, **more: Any) -> Attempt:
    """An attempt intended so many seconds after the moment; it was priced at `number` dollars."""
    return replace(
        Attempt(
            id=UUID(int=number),
            job_id=UUID(int=100 + number),
            scene_number=number,
            token=url or f"token-{number}",
            state=AttemptState.LOST,
            request=REQUEST.body(),
            intended_at=AT + timedelta(seconds=after),
            callback_url=URL + url if url else None,
            cost_micros=number * 1_000_000,
        ),
        **more,
    )


OTHER: dict[str, Any] = {**REQUEST.body(), "prompt": "Something else."}

CASES: dict[str, tuple[list[Generation], set[str], list[Attempt], dict[str, int | None]]] = {
    "nothing anywhere": ([], set(), [], {}),
    "all is known": ([row("a"), row("b")], {"a", "b"}, [attempt(1)], {}),
    "nobody's": ([row("a")], set(), [], {"a": None}),
    "by its token": ([row("a", url="x")], set(), [attempt(1, url="y"), attempt(2, url="x")], {"a": 2}),
    "by its token, whenever": ([row("a", 90_000, url="x")], set(), [attempt(1, url="x")], {"a": 1}),
    "by its token, whatever was made of its words": (
        [row("a", url="x", request=OTHER)],
        set(),
        [attempt(1, url="x")],
        {"a": 1},
    ),
    "a strange token": ([row("a", url="z")], set(), [attempt(1, url="x"), attempt(2)], {"a": None}),
    "by words and time": ([row("a")], set(), [attempt(1)], {"a": 1}),
    "other words": ([row("a", request=OTHER)], set(), [attempt(1)], {"a": None}),
    "words that are not told": ([row("a", request={})], set(), [attempt(1)], {"a": None}),
    "too long after": ([row("a", 900)], set(), [attempt(1)], {"a": None}),
    "long before": ([row("a", -900)], set(), [attempt(1)], {"a": None}),
    "the nearest goes first": ([row("a", 60), row("b", 3)], set(), [attempt(1)], {"a": None, "b": 1}),
    "each its own": ([row("a", 61), row("b", 3)], set(), [attempt(1, 60), attempt(2, 0)], {"a": 1, "b": 2}),
    "an attempt is given once": ([row("a", 3), row("b", 4)], set(), [attempt(1)], {"a": 1, "b": None}),
    "a request that can't be read": ([row("a")], set(), [attempt(1, request={"prompt": 1})], {"a": None}),
    "may be on its way": ([row("a", 3590)], set(), [attempt(1, 3585, state=AttemptState.INTENDED)], {}),
    "another's may be on its way": ([row("a", 3590)], set(), [attempt(1, 3400), attempt(2, 3585)], {}),
}


@pytest.mark.parametrize(("rows", "known", "unsettled", "owners"), CASES.values(), ids=CASES.keys())
def test_whose_it_is(
    rows: list[Generation], known: set[str], unsettled: list[Attempt], owners: dict[str, int | None]
) -> None:
    for order in (rows, rows[::-1]):
        found = only_at_luma(order, known, unsettled, PRICES, LATER)
        told = {one.generation_id: one.attempt.scene_number if one.attempt else None for one in found}
        assert told == owners
        assert all(one.known_to is KnownTo.LUMA and one.adopted is None for one in found)


@pytest.mark.parametrize(
    ("generation", "unsettled", "says"),
    [
        (row("a"), [attempt(3)], "$3.00"),
        (row("a"), [], f"${PRICES.price_micros(OPTIONS) / 1e6:.2f}"),
        (row("a", state=GenerationState.FAILED), [attempt(3)], "$3.00, refunded"),
        (row("a", model="ray-9"), [], "unknown"),
        (row("a", request={}), [], "unknown"),
    ],
)
def test_what_it_cost(generation: Generation, unsettled: list[Attempt], says: str) -> None:
    [found] = only_at_luma([generation], set(), unsettled, PRICES, LATER)
    assert cost(found) == says


def test_one_that_only_the_ledger_knows() -> None:
    paid = Paid(attempt(4, generation_id="gone", submitted_at=LATER), refunded=True)
    found = only_in_ledger(paid)
    assert (found.known_to, found.generation_id, found.begun_at, found.prompt) == (
        KnownTo.LEDGER,
        "gone",
        LATER,
        REQUEST.prompt,
    )
    assert cost(found) == "$4.00, refunded"


def test_the_whole_in_a_sentence_and_in_a_table() -> None:
    found = only_at_luma([row("a"), row("b", request=OTHER)], set(), [attempt(3)], PRICES, LATER)
    price = PRICES.price_micros(OPTIONS) / 1e6
    assert summary(9, []) == "Ledger and Luma agree on 9 generations."
    assert summary(9, found) == (f"2 of 9 generations are known to one side only; they cost ${3 + price:.2f}.")
    adopted = [replace(found[0], adopted=AttemptState.SUBMITTED), found[1]]
    assert summary(9, adopted) == (
        f"1 of 9 generations are known to one side only; they cost ${price:.2f}."
        " 1 adopted; a retry of their jobs goes on from there."
    )
    assert table(found).row_count == 2
    assert [one.as_json()["attemptState"] for one in adopted] == ["submitted", None]


def test_scripts_get_every_fact() -> None:
    difference = Difference(KnownTo.LUMA, "a", None, None, False, "words")
    assert difference.as_json() == {
        "knownTo": "luma",
        "generationId": "a",
        "begunAt": None,
        "costUsd": None,
        "refunded": False,
        "prompt": "words",
        "jobId": None,
        "sceneNumber": None,
        "attemptId": None,
        "attemptState": None,
        "adopted": False,
    }
