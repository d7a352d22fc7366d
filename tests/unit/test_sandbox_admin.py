"""The admin API, and what both wires do with requests that make no sense."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from deployments.sandbox.app import create_sandbox
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import MARKERS

DREAM = "/dream-machine/v1/generations"
AGENTS = "/v1/generations"
KEY = "very-secret"


@asynccontextmanager
async def serving(**config: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_sandbox(SandboxConfig(**{"clips": "cached", "jitter": 0, **config}))
    transport, headers = httpx.ASGITransport(app), {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://luma", headers=headers) as client:
        yield client
    await app.state.sandbox.aclose()


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    async with serving() as client:
        yield client


async def create(api: httpx.AsyncClient, prompt: str = "A sea", wire: str = DREAM) -> dict[str, Any]:
    answer = await api.post(wire, json={"model": "ray-2" if wire == DREAM else "ray-3.2", "prompt": prompt})
    assert answer.status_code == 201
    return dict(answer.json())


async def get(api: httpx.AsyncClient, path: str) -> Any:
    return (await api.get(path)).raise_for_status().json()


async def test_config_changes_field_by_field(api: httpx.AsyncClient) -> None:
    before = await get(api, "/_sandbox/config")
    assert before["dream_machine_concurrency"] == 10
    changed = (await api.put("/_sandbox/config", json={"dream_machine_concurrency": 3, "valid_keys": [KEY]})).json()
    assert changed["dream_machine_concurrency"] == 3
    assert changed == {**before, "dream_machine_concurrency": 3, "valid_keys": ["**********"]}
    assert (await api.get("/v1/generations/x")).status_code == 404
    for bad in ({"generation_seconds": -1}, {"nonsense": 1}, {"failure_rate": 2}, {"clips": "real"}):
        refused = await api.put("/_sandbox/config", json=bad)
        assert refused.status_code == 422
        assert next(iter(bad)) in refused.json()["detail"]
    assert await get(api, "/_sandbox/config") == changed


async def test_the_clock_is_read_and_moved(api: httpx.AsyncClient) -> None:
    made = await create(api)
    moved = await api.post("/_sandbox/clock", json={"advance": 3600})
    assert moved.json()["now"][:13] != made["created_at"][:13]
    assert (await get(api, f"{DREAM}/{made['id']}"))["state"] == "completed"
    for bad in ({"advance": -1}, {"advance": "NaN"}, {}, {"advance": 1, "back": 2}):
        assert (await api.post("/_sandbox/clock", json=bad)).status_code == 422


async def test_faults_are_added_shown_and_cleared(api: httpx.AsyncClient) -> None:
    await api.post("/_sandbox/faults", json={"kind": "fail"})
    several = {"faults": [{"kind": "stall"}, {"kind": "html", "operation": "get"}]}
    shown = (await api.post("/_sandbox/faults", json=several)).json()
    assert [fault["kind"] for fault in shown["faults"]] == ["fail", "stall", "html"]
    assert set(shown["markers"]) == set(MARKERS)
    await create(api)
    counted = (await get(api, "/_sandbox/faults"))["faults"]
    assert [(fault["seen"], fault["struck"]) for fault in counted] == [(1, 1), (1, 1), (0, 0)]
    assert (await api.delete("/_sandbox/faults")).json()["faults"] == []
    for bad in ({"kind": "nonsense"}, {"faults": []}, {"faults": "fail"}, {"kind": "fail", "nth": 0}):
        assert (await api.post("/_sandbox/faults", json=bad)).status_code == 422


async def test_generations_and_charges_tell_of_both_wires_and_never_the_key(api: httpx.AsyncClient) -> None:
    ids = [(await create(api, "one sea"))["id"], (await create(api, "two seas", AGENTS))["id"]]
    shown = (await get(api, "/_sandbox/generations"))["generations"]
    assert [(g["id"], g["wire"], g["state"]) for g in shown] == [
        (ids[0], "dream-machine", "queued"),
        (ids[1], "agents", "queued"),
    ]
    rows = (await get(api, "/_sandbox/charges"))["charges"]
    assert [(r["generation_id"], r["prompt"], r["refunded_at"]) for r in rows] == [
        (ids[0], "one sea", None),
        (ids[1], "two seas", None),
    ]
    assert [r["cost_micros"] for r in rows] == [707_789, 300_000]
    for path in ("charges", "generations", "stats", "config", "faults"):
        assert KEY not in (await api.get(f"/_sandbox/{path}")).text


async def test_stats_count_what_was_asked(api: httpx.AsyncClient) -> None:
    first = await create(api, "twice")
    await create(api, "twice")
    await create(api, "once")
    await api.get(f"{DREAM}/{first['id']}")
    await api.get(DREAM)
    await api.post(DREAM, json={})
    stats = await get(api, "/_sandbox/stats")
    assert {name: stats[name] for name in ("posts", "created", "polls", "lists", "active", "max_concurrent")} == {
        "posts": 4, "created": 3, "polls": 1, "lists": 1, "active": 3, "max_concurrent": 3,
    }  # fmt: skip
    assert stats["duplicates"] == {"twice": 2}
    assert stats["prompts"]["twice"]["charged"] == 2
    assert stats["prompts"]["twice"]["first_at"] == first["created_at"]


async def test_reset_forgets_all_but_config_and_clock(api: httpx.AsyncClient) -> None:
    await api.put("/_sandbox/config", json={"credits_cents": 500})
    await api.post("/_sandbox/clock", json={"advance": 1e6})
    await api.post("/_sandbox/faults", json={"kind": "fail", "times": None})
    old = await create(api)
    now = (await get(api, "/_sandbox/clock"))["now"]
    assert (await api.post("/_sandbox/reset")).status_code == 204
    assert (await api.get(f"{DREAM}/{old['id']}")).status_code == 404
    assert (await get(api, "/_sandbox/charges"))["charges"] == []
    assert (await get(api, "/dream-machine/v1/credits"))["credit_balance"] == 500
    assert (await get(api, "/_sandbox/faults"))["faults"] == []
    assert (await get(api, "/_sandbox/clock"))["now"] >= now
    assert (await create(api))["id"] != old["id"]


async def test_a_seed_repeats_ids_and_fates() -> None:
    async def fates(seed: int | None) -> list[tuple[str, str]]:
        async with serving(seed=seed, failure_rate=0.5, dream_machine_concurrency=0) as api:
            ids = [(await create(api, f"sea {n}"))["id"] for n in range(12)]
            await api.post("/_sandbox/clock", json={"advance": 60})
            return [(i, (await get(api, f"{DREAM}/{i}"))["state"]) for i in ids]

    first = await fates(7)
    assert first == await fates(7)
    assert {state for _, state in first} == {"completed", "failed"}
    assert first != await fates(8)
    assert await fates(None) != await fates(None)


@pytest.mark.parametrize("wire", [DREAM, AGENTS])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b'"text"',
        b"null",
        b'{"prompt": "\\ud800 sea", "model": "ray-2"}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
async def test_a_body_that_is_no_json_object_is_a_400(api: httpx.AsyncClient, wire: str, body: bytes) -> None:
    answer = await api.post(wire, content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])
    assert (await get(api, "/_sandbox/charges"))["charges"] == []


@pytest.mark.parametrize(
    ("wire", "change", "status"),
    [
        (DREAM, {"prompt": 7}, 400),
        (DREAM, {"loop": "perhaps"}, 400),
        (DREAM, {"keyframes": {"frame0": {"type": "video"}}}, 400),
        (DREAM, {"callback_url": "http://127.0.0.1:999999999/"}, 400),
        (DREAM, {"callback_url": "not a url"}, 400),
        (AGENTS, {"prompt": 7}, 422),
        (AGENTS, {"type": "image"}, 422),
        (AGENTS, {"video": {"duration": "9s"}}, 422),
        (AGENTS, {"video": {"start_frame": {"generation_id": "unknown"}}}, 404),
        (AGENTS, {"prompt": "x" * 6001}, 400),
    ],
)
async def test_a_create_that_makes_no_sense(
    api: httpx.AsyncClient, wire: str, change: dict[str, Any], status: int
) -> None:
    body = {"model": "ray-2" if wire == DREAM else "ray-3.2", "prompt": "A sea", **change}
    answer = await api.post(wire, json=body)
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)
    assert (await get(api, "/_sandbox/charges"))["charges"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "limit=", "offset=99999999999", "limit=²"])
async def test_a_page_that_makes_no_sense(api: httpx.AsyncClient, query: str) -> None:
    assert (await api.get(f"{DREAM}?{query}")).status_code == 400


async def test_unknown_fields_are_ignored_and_a_large_limit_is_cut(api: httpx.AsyncClient) -> None:
    body = {"model": "ray-2", "prompt": "A sea", "surprise": 1}
    assert "surprise" not in (await api.post(DREAM, json=body)).json()["request"]
    assert (await get(api, f"{DREAM}?limit=5000"))["limit"] == 100


async def test_unknown_paths_and_methods_answer_in_json(api: httpx.AsyncClient) -> None:
    assert (await api.get("/dream-machine/v1/nothing")).json() == {"detail": "Not Found"}
    wrong = await api.put(DREAM)
    assert (wrong.status_code, wrong.json()) == (405, {"detail": "Method Not Allowed"})
    assert (await api.delete(f"{AGENTS}/x")).headers["x-api-version"] == "2026-04-01"


async def test_an_agents_job_goes_on_from_a_completed_one(api: httpx.AsyncClient) -> None:
    first = await create(api, wire=AGENTS)
    body = {"prompt": "On", "video": {"start_frame": {"generation_id": first["id"]}}}
    assert (await api.post(AGENTS, json=body)).status_code == 422
    await api.post("/_sandbox/clock", json={"advance": 60})
    assert (await api.post(AGENTS, json=body)).status_code == 201


async def test_a_new_generation_may_take_time_to_be_listed() -> None:
    async with serving(list_lag_seconds=30) as api:
        made = await create(api)
        assert (await get(api, DREAM))["generations"] == []
        assert (await get(api, f"{DREAM}/{made['id']}"))["id"] == made["id"]
        await api.post("/_sandbox/clock", json={"advance": 31})
        assert len((await get(api, DREAM))["generations"]) == 1


async def test_a_slow_create_is_charged_before_it_answers() -> None:
    async with serving(submit_seconds=1000) as api:
        pending = asyncio.create_task(create(api))
        await asyncio.sleep(0.05)
        assert not pending.done()
        assert len((await get(api, "/_sandbox/charges"))["charges"]) == 1
        await api.post("/_sandbox/clock", json={"advance": 1001})
        assert (await pending)["state"] == "queued"


@pytest.mark.parametrize(
    ("public_url", "base"), [(None, "http://luma/"), ("https://x.example/s/", "https://x.example/s/")]
)
async def test_asset_urls_begin_where_the_sandbox_is_reached(public_url: str | None, base: str) -> None:
    async with serving(public_url=public_url) as api:
        made = await create(api)
        await api.post("/_sandbox/clock", json={"advance": 60})
        assert (await get(api, f"{DREAM}/{made['id']}"))["assets"]["video"].startswith(f"{base}assets/")


async def test_an_asset_url_is_good_for_nothing_else(api: httpx.AsyncClient) -> None:
    one, other = [await create(api, prompt) for prompt in ("one sea", "two seas")]
    await api.post("/_sandbox/clock", json={"advance": 60})
    url = (await get(api, f"{DREAM}/{one['id']}"))["assets"]["video"]
    assert (await api.get(url, headers={"Authorization": ""})).status_code == 200
    for forged in (
        url.replace(one["id"], other["id"]),
        url[:-1],
        url.split("?")[0],
        url.replace("expires=1", "expires=2"),
    ):
        assert (await api.get(forged)).status_code == 403


async def test_the_index_says_what_this_is(api: httpx.AsyncClient) -> None:
    page = await api.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "LUMAAI_BASE_URL=http://luma/dream-machine/v1" in page.text
    assert all(f"[{word}]" in page.text for word in MARKERS)
