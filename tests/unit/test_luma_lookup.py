"""Looking for the generation of a doubted create, under virtual time."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tasks.luma import (
    DreamMachine,
    Generation,
    GenerationRequest,
    LookupPatience,
    Patience,
    Unavailable,
    Undecidable,
    look_for,
)
from tasks.luma.wire import is_generation_id
from tests.virtual_time import run

INTENT = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
REQUEST = GenerationRequest("A lighthouse in the rain.", "ray-2", "16:9", "720p", "9s", loop=False)
TOKEN = "https://us.test/api/luma/callback/s3cret"  # noqa: S105
APPEARS, SETTLES = LookupPatience().appears_within, LookupPatience().settles_within


def row(name: str, after: float | None, *, callback: str | None = None, **echo: Any) -> dict[str, Any]:
    """A row created so many seconds after the intent; `echo` changes what it tells of its request."""
    assert is_generation_id(name)
    request = {**REQUEST.body(), "callback_url": callback, "generation_type": "video", "keyframes": None, **echo}
    created = None if after is None else (INTENT + timedelta(seconds=after)).isoformat()
    return {"id": name, "state": "dreaming", "created_at": created, "request": request}


@dataclass
class World:
    """Luma's list as it changes: (seconds after the lookup's start, row); ids the ledger knows from a moment on."""

    rows: list[tuple[float, dict[str, Any]]]
    known: dict[str, float] = field(default_factory=dict)
    starts_after: float = 0
    """Seconds between the intent and the lookup."""
    ahead: float = 0
    """Seconds that the clock of the process that looks is ahead of the one that wrote the intent down."""
    status: int = 200
    looks: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        passed = self.starts_after + self.ahead + asyncio.get_running_loop().time()
        return INTENT + timedelta(seconds=passed)

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        time = asyncio.get_running_loop().time()
        self.looks.append(time)
        visible = [data for since, data in self.rows if since <= time]
        return httpx.Response(self.status, json={"generations": visible, "has_more": False})

    async def ledger(self, ids: Iterable[str]) -> set[str]:
        time = asyncio.get_running_loop().time()
        return {name for name in ids if self.known.get(name, float("inf")) <= time}

    def look(self, token: str | None, *, can_list: bool = True) -> tuple[Generation | None, float]:
        async def main() -> tuple[Generation | None, float]:
            transport = httpx.MockTransport(self.answer)
            async with DreamMachine(
                SecretStr("key"), "https://luma.test/v1", transport=transport, patience=Patience(reads=1)
            ) as client:
                client.can_list = can_list
                found = await look_for(
                    client,
                    token_url=token,
                    request_body=REQUEST.body(),
                    intended_at=INTENT,
                    known=self.ledger,
                    now=self.now,
                    rng=lambda: 0.0,
                )
                return found, asyncio.get_running_loop().time()

        return run(main())


def found_id(world: World, token: str | None) -> tuple[str | None, float]:
    found, seconds = world.look(token)
    return (found.id if found else None), seconds


def test_a_token_is_found_at_once() -> None:
    world = World([(0, row("other", 1)), (0, row("ours", 2, callback=TOKEN)), (0, row("x", 3, callback=TOKEN + "x"))])
    world.known = {"other": 0}
    assert found_id(world, TOKEN) == ("ours", 0)


def test_a_token_decides_whatever_the_rest_says() -> None:
    world = World([(0, row("ours", None, callback=TOKEN, prompt="rewritten by Luma"))], known={"ours": 0})
    assert found_id(world, TOKEN) == ("ours", 0)


def test_a_generation_that_appears_late_is_found() -> None:
    assert found_id(World([(40, row("ours", 30, callback=TOKEN))]), TOKEN)[0] == "ours"


@pytest.mark.parametrize("token", [TOKEN, None])
def test_what_has_not_appeared_in_time_was_not_begun(token: str | None) -> None:
    found, seconds = found_id(World([(0, row("other", 1, prompt="Something else."))]), token)
    assert found is None
    assert APPEARS <= seconds <= APPEARS + 20


@pytest.mark.parametrize("ahead", [-50, 50])
def test_the_clock_of_another_of_our_machines_does_not_shorten_the_search(ahead: float) -> None:
    world = World([(APPEARS - 35, row("ours", 50, callback=TOKEN))], starts_after=30, ahead=ahead)
    assert found_id(world, TOKEN)[0] == "ours"


@pytest.mark.parametrize("token", [TOKEN, None])
def test_long_after_the_intent_one_look_is_enough(token: str | None) -> None:
    world = World([], starts_after=3600)
    assert found_id(world, token) == (None, 0)
    assert world.looks == [0]


def test_without_a_token_the_same_request_in_time_is_it() -> None:
    world = World(
        [
            (0, row("known", 2)),
            (0, row("other-words", 2, prompt="A lighthouse in the sun.")),
            (0, row("other-length", 2, duration="5s")),
            (0, row("with-a-callback", 2, callback="https://elsewhere.test")),
            (0, row("extended", 2, keyframes={"frame0": {"type": "generation", "id": "x"}})),
            (0, row("much-later", 4000)),
            (0, row("ours", 5)),
        ],
        known={"known": 0},
        starts_after=7200,
    )
    assert found_id(world, None) == ("ours", 0)


def test_one_too_old_is_not_ours() -> None:
    assert found_id(World([(0, row("old", -4000))], starts_after=7200), None) == (None, 0)


@pytest.mark.parametrize("skew", [-250, 250])
def test_clocks_may_differ(skew: float) -> None:
    assert found_id(World([(0, row("ours", skew))], starts_after=7200), None) == ("ours", 0)


def test_the_nearest_of_several_equal_ones_is_taken() -> None:
    rows = [(0.0, row("far", 90)), (0.0, row("near", 3)), (0.0, row("before", -20))]
    assert found_id(World(rows, starts_after=7200), None) == ("near", 0)


def test_equal_ones_are_each_claimed_once() -> None:
    rows = [(0.0, row("a", 3)), (0.0, row("b", 13))]
    claimed: dict[str, float] = {}
    for _ in range(2):
        name, _ = found_id(World(rows, known=dict(claimed), starts_after=7200), None)
        assert name is not None
        claimed[name] = 0
    assert set(claimed) == {"a", "b"}
    assert found_id(World(rows, known=claimed, starts_after=7200), None)[0] is None


def test_one_that_a_create_in_flight_may_own_is_left_until_that_must_have_ended() -> None:
    """Another attempt with the same words is just being answered: its generation is not ours to take."""
    world = World([(0, row("theirs", 58))], known={"theirs": 30}, starts_after=60)
    found, seconds = found_id(world, None)
    assert found is None
    assert seconds >= 30


def test_one_that_nobody_claims_is_ours_after_that() -> None:
    found, seconds = found_id(World([(0, row("ours", 1))], starts_after=2), None)
    assert found == "ours"
    assert SETTLES <= seconds <= SETTLES + 20


def test_an_api_without_a_list_can_not_tell() -> None:
    with pytest.raises(Undecidable):
        World([]).look(TOKEN, can_list=False)


@pytest.mark.parametrize(
    ("token", "data"),
    [
        (TOKEN, row("token-not-echoed", 3)),
        (TOKEN, {"id": "silent", "created_at": INTENT.isoformat()}),
        (None, {"id": "silent", "created_at": INTENT.isoformat()}),
        (None, {"id": "undated"}),
        (None, row("undated", None)),
    ],
)
def test_rows_that_tell_too_little_leave_the_question_open(token: str | None, data: dict[str, Any]) -> None:
    with pytest.raises(Undecidable):
        World([(0, data)]).look(token)
    assert World([(0, data)], known={data["id"]: 0}).look(token)[0] is None


def test_a_list_that_can_not_be_read_leaves_it_open_for_another_time() -> None:
    with pytest.raises(Unavailable):
        World([], status=503, starts_after=7200).look(TOKEN)


def test_a_request_that_can_not_be_read_is_undecidable() -> None:
    async def main() -> None:
        async def nothing(_: Iterable[str]) -> set[str]:
            return set()

        transport = httpx.MockTransport(lambda _: httpx.Response(500))
        async with DreamMachine(SecretStr("key"), "https://luma.test/v1", transport=transport) as client:
            await look_for(client, token_url=None, request_body={"prompt": 1}, intended_at=INTENT, known=nothing)

    with pytest.raises(Undecidable, match="prompt"):
        run(main())
