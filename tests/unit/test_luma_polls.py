"""The polls of one account under virtual time: the budget, the list, and what past durations are worth."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tasks.luma import AccountError, DreamMachine, Generation, Patience, wait_for
from tasks.luma.durations import UNTOLD, UNTOLD_CALLED, Durations, Kind, Schedule, Took
from tasks.luma.polls import BURST, PER_SECOND, Polls
from tests.virtual_time import run

RAY = Kind("ray-2", "720p", "9s")
FLASH = Kind("ray-flash-2", "720p", "9s")
OFTEN = Schedule(first=1, share=0, least=0.5, most=0.5)


def now() -> float:
    return asyncio.get_running_loop().time()


class Luma:
    """Generations that end at their time, listed newest first."""

    def __init__(self, ends: dict[str, float], hidden: Iterable[str] = ()) -> None:
        self.ends, self.hidden = ends, set(hidden)
        self.gets: list[tuple[float, str]] = []
        self.lists: list[float] = []
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        identity = request.url.path.rpartition("/")[2]
        whole = identity == "generations"
        if whole:
            self.lists.append(now())
        else:
            self.gets.append((now(), identity))
        if self.status != 200:
            return httpx.Response(self.status, json={"detail": "no"})
        return httpx.Response(200, json=self._page(request) if whole else self._row(identity))

    def _row(self, identity: str) -> dict[str, Any]:
        done = now() >= self.ends[identity]
        assets = {"video": f"https://cdn.test/{identity}.mp4"} if done else None
        return {"id": identity, "state": "completed" if done else "dreaming", "assets": assets}

    def _page(self, request: httpx.Request) -> dict[str, Any]:
        offset = int(request.url.params["offset"])
        shown = [identity for identity in reversed(self.ends) if identity not in self.hidden]
        rows = [self._row(identity) for identity in shown[offset : offset + 100]]
        return {"has_more": offset + 100 < len(shown), "count": len(rows), "generations": rows}

    @property
    def asked(self) -> list[float]:
        return sorted([*self.lists, *(at for at, _ in self.gets)])


def watched(
    luma: Luma, schedule: Schedule = OFTEN, share: float | Callable[[], float] = 1.0, late: Mapping[str, float] = {}
) -> dict[str, float]:
    """Wait for all at once, for the `late` ones so many seconds later → when each was seen to have ended."""
    seen: dict[str, float] = {}

    async def one(polls: Polls, identity: str) -> Generation:
        await asyncio.sleep(late.get(identity, 0))
        done = await wait_for(polls, identity, OFTEN if identity in late else schedule, deadline_seconds=600)
        seen[identity] = now()
        return done

    async def main() -> None:
        transport = httpx.MockTransport(luma)
        async with DreamMachine(
            SecretStr("key"), "https://luma.test/v1", transport=transport, patience=Patience(reads=1)
        ) as client:
            polls = Polls(client, share=share if callable(share) else lambda: share)
            done = await asyncio.gather(*(one(polls, identity) for identity in luma.ends))
            assert [generation.id for generation in done] == list(luma.ends)
            assert polls.polls == len(luma.asked)

    run(main())
    return seen


def names(number: int) -> list[str]:
    return [f"g{n}" for n in range(number)]


def within_budget(asked: list[float], share: float = 1.0) -> bool:
    """Whether no stretch of time holds more than its seconds allow."""
    return all(
        later - earlier + 1 <= BURST + share * PER_SECOND * (asked[later] - asked[earlier]) + 0.01
        for earlier in range(len(asked))
        for later in range(earlier, len(asked))
    )


@pytest.mark.parametrize(("number", "share"), [(1, 1.0), (2, 1.0), (5, 1.0), (80, 1.0), (5, 0.5), (5, 0.1)])
def test_polls_stay_under_one_a_second_however_many_wait(number: int, share: float) -> None:
    luma = Luma({name: 20.0 + n % 10 for n, name in enumerate(names(number))})
    seen = watched(luma, share=share)
    assert within_budget(luma.asked, share)
    late = max(seen[name] - ends for name, ends in luma.ends.items())
    assert late <= 1.1 / share / PER_SECOND


def test_a_share_that_grows_counts_at_once() -> None:
    luma = Luma(dict.fromkeys(names(5), 10.0))
    seen = watched(luma, share=lambda: 0.01 if now() < 20 else 1.0)
    assert 20 <= max(seen.values()) < 23


def test_who_comes_later_and_is_due_sooner_is_not_kept_waiting() -> None:
    luma = Luma({"slow": 5.0, "quick": 12.0})
    seen = watched(luma, Schedule(first=100, share=0, least=50, most=50), late={"quick": 10})
    assert seen["quick"] < 13
    assert seen["slow"] >= 100


def test_two_and_more_are_seen_with_one_request_and_one_alone_by_itself() -> None:
    many = Luma(dict.fromkeys(names(40), 10.0))
    watched(many)
    assert many.gets == []
    alone = Luma({"g0": 10.0, "ended": 0.0})
    del alone.ends["ended"]
    watched(alone)
    assert alone.lists == []


def test_thousands_are_seen_page_by_page() -> None:
    luma = Luma(dict.fromkeys(names(1000), 30.0))
    seen = watched(luma)
    assert max(seen.values()) < 30 + 2 * 12 / PER_SECOND
    assert len(luma.asked) <= max(seen.values()) + BURST + 12


def test_what_the_list_does_not_show_is_asked_for_by_itself() -> None:
    luma = Luma(dict.fromkeys(names(5), 10.0), hidden=["g1", "g3"])
    seen = watched(luma)
    assert {identity for _, identity in luma.gets} == {"g1", "g3"}
    assert max(seen.values()) < 16
    assert within_budget(luma.asked)


def test_a_refusal_of_the_list_is_told_to_all() -> None:
    luma = Luma(dict.fromkeys(names(3), 10.0))
    luma.status = 401
    with pytest.raises(AccountError):
        watched(luma)
    assert len(luma.asked) == 1


def test_one_job_is_hardly_later_than_its_slowest_scene() -> None:
    durations = Durations()
    durations.learn(Took(RAY, seconds) for seconds in (16.0, 18.0, 20.0, 22.0, 24.0))
    for ends in ([15.0, 18.0, 20.0, 22.0, 25.0], [20.0] * 5, [20.0, 20.3, 20.6, 20.9, 21.2]):
        luma = Luma(dict(zip(names(5), ends, strict=True)))
        seen = watched(luma, durations.schedule(RAY, called=False))
        assert max(seen.values()) <= max(ends) + 1.1


@pytest.mark.parametrize(
    ("past", "called", "first"),
    [
        ([], False, UNTOLD.first),
        ([], True, UNTOLD_CALLED.first),
        ([(RAY, 40.0)] * 2, False, UNTOLD.first),
        ([(RAY, 40.0)] * 3, False, 32.0),
        ([(RAY, 40.0)] * 3, True, 50.0),
        ([(FLASH, 40.0)] * 9, False, UNTOLD.first),
        ([(RAY, 0.1)] * 3, False, UNTOLD.least),
        ([(RAY, 20.0)] * 50 + [(RAY, 90.0)] * 50, False, 16.0),  # the newest count
    ],
)
def test_the_first_look_comes_when_past_durations_say_that_it_is_worth_it(
    past: list[tuple[Kind, float]], called: bool, first: float
) -> None:
    durations = Durations()
    durations.learn(Took(kind, seconds) for kind, seconds in past)
    assert durations.schedule(RAY, called=called).first == pytest.approx(first)


@pytest.mark.parametrize(
    ("schedule", "age", "begin", "then"),
    [
        (Schedule(10, 0.1, 1, 5), 0, 10, 1),
        (Schedule(10, 0.1, 1, 5), 20, 20, 22),
        (Schedule(10, 0.1, 1, 5), 30, 30, 33),
        (Schedule(10, 0.1, 1, 5), 1000, 1000, 1005),
    ],
)
def test_looks_follow_the_age(schedule: Schedule, age: float, begin: float, then: float) -> None:
    assert (schedule.begin(age), schedule.then(age)) == (begin, then)
