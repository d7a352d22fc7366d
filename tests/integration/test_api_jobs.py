"""The API of jobs over the wire, on both databases; nothing is patched, Prefect and Luma are away."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.events import QUIET
from api.models import LOCAL_USER
from api.records import JobRecords
from tasks.options import MAX_COST_USD
from tasks.settings import Settings
from tests.integration.jobs_made import OPTIONS, SCRIPT, begun, clip_of, film, finished, made, submitted
from tests.integration.running_app import lifespan, serving


async def accepted(client: httpx.AsyncClient, **more: Any) -> str:
    answer = await client.post("/api/generate", json={"script": SCRIPT, **more})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["jobId"]
    return job_id


async def test_a_script_is_enough_and_nothing_is_waited_for(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/generate", json={"script": SCRIPT, "user": "ignored"})
    assert answer.status_code == 202
    body = answer.json()
    assert body == {"jobId": body["jobId"], "status": "queued"}
    assert answer.headers["location"] == f"/api/job/{body['jobId']}"
    assert int(answer.headers["retry-after"]) > 0
    job = (await client.get(answer.headers["location"])).json()
    assert job["status"] == "queued"
    assert job["currentStep"] == "Waiting to start..."
    assert job["queuePosition"] == 1
    assert job["integrityConfirmed"] is False
    assert UUID(job["jobId"])


async def test_all_that_was_asked_is_kept(client: httpx.AsyncClient, records: JobRecords) -> None:
    job_id = await accepted(
        client,
        title="  The answer  ",
        options={"model": "ray-flash-2", "aspectRatio": "9:16", "duration": "5s", "maxScenes": 3},
        storyboard=[{"description": "A lamp", "prompt": "A lamp in a storm"}],
        integrityConfirmed=True,
        maxCostUsd=50,
    )
    job = (await client.get(f"/api/job/{job_id}")).json()
    assert job["title"] == "The answer"
    assert job["options"]["aspectRatio"] == "9:16"
    assert (job["integrityConfirmed"], job["cost"]["maxUsd"]) == (True, 50)
    row = (await records.snapshot(UUID(job_id))).job
    assert row.given is not None
    assert [scene["prompt"] for scene in row.given] == ["A lamp in a storm"]
    assert row.integrity is not None
    assert len(row.integrity["scriptSha256"]) == 64
    assert (await client.get(f"/api/job/{job_id}/script")).text == SCRIPT


async def test_the_highest_limit_of_cost_is_kept(client: httpx.AsyncClient) -> None:
    job_id = await accepted(client, maxCostUsd=MAX_COST_USD)
    assert (await client.get(f"/api/job/{job_id}")).json()["cost"]["maxUsd"] == MAX_COST_USD


async def test_text_of_any_kind_comes_back_as_it_was(client: httpx.AsyncClient) -> None:
    script = (
        "Ein Leuchtturmwärter 🏮 findet einen Brief. 灯台守が手紙を見つける。 "
        + "حارس المنارة يجد رسالة في زجاجة. \u200f\u202e\x01\x7f" * 2
    )
    job_id = await accepted(client, title="👩‍🚀 \u0301", **{"script": script})
    assert (await client.get(f"/api/job/{job_id}/script")).content == script.encode()
    assert (await client.get(f"/api/job/{job_id}")).json()["title"] == "👩‍🚀 \u0301"


async def test_a_key_is_one_job_also_at_one_moment_and_across_processes(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    other_process = create_app(settings)
    async with lifespan(other_process), _client(other_process) as other:
        assert other_process.state.studio is not None
        headers = {"Idempotency-Key": "one"}
        answers = await asyncio.gather(
            *(
                (client, other)[number % 2].post("/api/generate", json={"script": SCRIPT}, headers=headers)
                for number in range(20)
            )
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["jobId"] for answer in answers}) == 1
    assert len((await client.get("/api/jobs")).json()["jobs"]) == 1
    again = await client.post("/api/generate", json={"script": SCRIPT + "!"}, headers=headers)
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio")


async def test_a_poll_that_learns_nothing_is_304(client: httpx.AsyncClient, records: JobRecords) -> None:
    job_id, _ = await begun(records, 2)
    path = f"/api/job/{job_id}"
    first = await client.get(path)
    etag = first.headers["etag"]
    for tags in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        same = await client.get(path, headers={"If-None-Match": tags})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    for tags in ('"x"', etag.strip('"'), ""):
        assert (await client.get(path, headers={"If-None-Match": tags})).status_code == 200
    await made(records, job_id, 1)
    after = await client.get(path, headers={"If-None-Match": etag})
    assert after.status_code == 200
    assert after.json()["revision"] > first.json()["revision"]


async def test_a_place_in_the_queue_is_news_to_a_poll(client: httpx.AsyncClient, records: JobRecords) -> None:
    first, second = await accepted(client), await accepted(client)
    behind = await client.get(f"/api/job/{second}")
    assert behind.json()["queuePosition"] == 2
    await records.begin(UUID(first), uuid4(), SCRIPT, None, OPTIONS)
    await asyncio.sleep(QUIET + 0.1)
    next_one = await client.get(f"/api/job/{second}", headers={"If-None-Match": behind.headers["etag"]})
    assert next_one.json()["queuePosition"] == 1
    assert (await client.get(f"/api/job/{first}")).json()["queuePosition"] is None


async def test_cancel_retry_and_takes(client: httpx.AsyncClient, records: JobRecords) -> None:
    queued = await accepted(client)
    answer = await client.post(f"/api/job/{queued}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    refused = await client.post(f"/api/job/{queued}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "move_refused")
    assert refused.json()["detail"] == "A job that is cancelled can't be cancelled."
    answer = await client.post(f"/api/job/{queued}/retry")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")

    job_id, _ = await finished(records, 2)
    [_, second] = (await records.snapshot(job_id)).attempts
    assert (await client.post(f"/api/job/{job_id}/retry")).status_code == 409
    prompt = {"prompt": "  A lamp, from far away  "}
    assert (await client.post(f"/api/job/{job_id}/scenes/2/regenerate", json=prompt)).status_code == 202
    scenes = (await client.get(f"/api/job/{job_id}")).json()["results"]["scenes"]
    assert (scenes[1]["status"], scenes[1]["prompt"]) == ("pending", "A lamp, from far away")
    assert (await client.post(f"/api/job/{job_id}/scenes/1/regenerate")).status_code == 409  # it is queued again
    await client.post(f"/api/job/{job_id}/cancel")
    assert (await client.post(f"/api/job/{job_id}/scenes/9/regenerate")).status_code == 404
    for bad in ({"prompt": "  a "}, {"prompt": "x" * 5001}, {"prompt": "a\0bcd"}, {"prompt": 5}):
        answer = await client.post(f"/api/job/{job_id}/scenes/1/regenerate", json=bad)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    for number in ("0", "x", "99999999999999999999"):
        assert (await client.post(f"/api/job/{job_id}/scenes/{number}/regenerate")).status_code in (404, 422)
    choose = f"/api/job/{job_id}/scenes/2/takes/{second.id}/choose"
    assert (await client.post(choose)).status_code == 409  # it was cancelled with a scene never made
    await client.post(f"/api/job/{job_id}/retry")
    await records.begin(job_id, uuid4(), SCRIPT, None, OPTIONS)
    await made(records, job_id, 2)
    await records.filmed(job_id, film())
    assert (await client.post(choose)).status_code == 202


async def test_the_list_is_paged(client: httpx.AsyncClient) -> None:
    ids = [await accepted(client, title=f"Film {number}") for number in range(5)]
    first = (await client.get("/api/jobs?limit=3")).json()
    second = (await client.get("/api/jobs", params={"limit": 3, "cursor": first["next"]})).json()
    assert [job["jobId"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
    assert second["next"] is None
    assert first["jobs"][0]["title"] == "Film 4"


class Events:
    """What an event stream says, as it says it."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines

    async def next(self) -> dict[str, Any] | None:
        """The next event's fields; None at the end."""
        event: dict[str, Any] = {}
        async for line in self._lines:
            if not line and event:
                return event | {"job": json.loads(event["data"])}
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = value
        return None


async def test_followers_see_every_state_until_the_end(app: FastAPI, records: JobRecords) -> None:
    """Over a real socket: what streams does so."""
    job_id, _ = await begun(records, 1)
    async with serving(app) as base, httpx.AsyncClient(base_url=base) as client:
        path = f"/api/job/{job_id}/events"
        async with client.stream("GET", path) as first, client.stream("GET", path) as second:
            assert first.headers["content-type"].startswith("text/event-stream")
            mine, hers = Events(first.aiter_lines()), Events(second.aiter_lines())
            now = await mine.next()
            assert now is not None
            assert (now["event"], now["id"]) == ("job", str(now["job"]["revision"]))
            attempt = await submitted(records, job_id, 1)
            await records.completed(attempt, clip_of(attempt))
            await records.filmed(job_id, film())
            for events in (mine, hers):
                states = [event async for event in _rest(events)]
                revisions = [int(event["id"]) for event in states]
                assert revisions == sorted(set(revisions))
                assert states[-1]["job"]["status"] == "completed"
        last = states[-1]["id"]
        again = await client.get(path, headers={"Last-Event-ID": last})
        assert (again.status_code, again.content) == (204, b"")  # EventSource stops coming
        missed = await client.get(path, headers={"Last-Event-ID": str(int(last) - 1)})
        assert f"id: {last}\n" in missed.text
        for nonsense in ("x", "-1", "9" * 400, "²"):
            resumed = await client.get(path, headers=[("Last-Event-ID", nonsense.encode())])
            assert f"id: {last}\n" in resumed.text


async def _rest(events: Events) -> Any:
    while event := await events.next():
        yield event


async def test_a_follower_who_comes_back_hears_only_what_is_new(app: FastAPI, records: JobRecords) -> None:
    job_id, _ = await begun(records, 2)
    revision = (await records.body(job_id)).revision
    async with serving(app) as base, httpx.AsyncClient(base_url=base) as client:
        headers = {"Last-Event-ID": str(revision)}
        async with client.stream("GET", f"/api/job/{job_id}/events", headers=headers) as stream:
            events = Events(stream.aiter_lines())
            await made(records, job_id, 1)
            event = await events.next()
            assert event is not None
            assert int(event["id"]) > revision
    async with asyncio.timeout(5):  # who left is forgotten
        while app.state.watch._followers:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_many_followers_are_one_question_to_the_ledger(records: JobRecords) -> None:
    from api.events import JobWatch

    asked = 0

    class Counting(JobRecords):
        async def newer(self, seen: dict[UUID, int]) -> Any:
            nonlocal asked
            asked += 1
            return await super().newer(seen)

    job_id, _ = await begun(records, 1)
    watch = JobWatch(Counting(records.database), every=0.05)

    async def follow() -> list[int]:
        return [body.revision async for body in watch.follow(job_id, LOCAL_USER)]

    followers = [asyncio.create_task(follow()) for _ in range(50)]
    await asyncio.sleep(0.5)
    assert asked <= 12  # by the clock, not by the number of followers
    await records.job_failed(job_id, "no", "no")
    seen = await asyncio.gather(*followers)
    assert len({tuple(revisions) for revisions in seen}) == 1
    await watch.close()


async def test_the_blocking_endpoint_waits_within_bounds(client: httpx.AsyncClient, records: JobRecords) -> None:
    key = {"Idempotency-Key": "blocking"}
    waited = await client.post("/api/generate-video", json={"script": SCRIPT}, headers=key)
    assert (waited.status_code, waited.json()["status"], waited.json()["queuePosition"]) == (202, "queued", 1)
    assert waited.headers["deprecation"]
    job_id = UUID(waited.json()["jobId"])
    assert waited.headers["location"] == f"/api/job/{job_id}"

    async def fail_soon() -> None:
        await asyncio.sleep(0.1)
        await records.begin(job_id, uuid4(), SCRIPT, None, OPTIONS)
        await records.job_failed(job_id, "The account has no credits.", "luma_account")

    answer, _ = await asyncio.gather(
        client.post("/api/generate-video", json={"script": SCRIPT}, headers=key), fail_soon()
    )
    assert (answer.status_code, answer.json()["error"]) == (200, "The account has no credits.")


async def test_a_plan_spends_and_keeps_nothing(client: httpx.AsyncClient) -> None:
    plan = (await client.post("/api/storyboard", json={"script": SCRIPT, "options": {"duration": "5s"}})).json()
    assert plan["scenes"]
    assert plan["costUsd"] == pytest.approx(sum(scene["costUsd"] for scene in plan["scenes"]))
    assert [scene["sceneNumber"] for scene in plan["scenes"]] == list(range(1, len(plan["scenes"]) + 1))
    assert (await client.get("/api/jobs")).json()["jobs"] == []
    edited = {"script": SCRIPT, "storyboard": plan["scenes"]}
    assert (await client.post("/api/storyboard", json=edited)).json()["strategy"] == "given"


async def test_a_callback_is_always_200(client: httpx.AsyncClient, records: JobRecords) -> None:
    job_id, _ = await begun(records, 1)
    attempt = await submitted(records, job_id, 1)
    before = await records.body(job_id)
    junk: list[dict[str, Any]] = [
        {},
        {"json": {"id": attempt.generation_id, "state": "failed"}},
        {"content": b"\xff\0{", "headers": {"Content-Type": "application/json"}},
        {"content": b"a" * 1_000_000},
    ]
    for token in (attempt.token, "unknown", "a" * 2000, "%00", "ü", attempt.token + "'"):
        for body in junk:
            answer = await client.post(f"/api/luma/callback/{token}", **body)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"}), token
    assert await records.body(job_id) == before
    assert set(await records.rung(attempt.intended_at)) == {attempt.token}


async def test_every_answer_has_a_request_id(client: httpx.AsyncClient) -> None:
    given = await client.get("/api/health", headers={"X-Request-Id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    for strange in (b"two words", "ü".encode(), b"x" * 129, b""):
        answer = await client.get("/api/nothing", headers=[(b"X-Request-Id", strange)])  # type: ignore[list-item]
        assert UUID(answer.headers["x-request-id"])
        assert answer.json()["requestId"] == answer.headers["x-request-id"]


async def test_a_form_learns_what_it_may_offer(client: httpx.AsyncClient) -> None:
    told = (await client.get("/api/capabilities")).json()
    assert (told["minScript"], told["maxScript"], told["maxScenes"]) == (60, 20_000, 40)
    assert [choice["value"] for choice in told["durations"]] == ["5s", "9s"]
    assert told["defaults"]["model"] in [choice["value"] for choice in told["models"]]
    assert told["sandbox"] is True
    assert "key" not in json.dumps(told).lower()
    for choice in told["aspectRatios"]:
        answer = await client.post(
            "/api/storyboard", json={"script": SCRIPT, "options": {"aspectRatio": choice["value"]}}
        )
        assert answer.status_code == 200


async def test_ready_says_what_is_missing(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/health")).json() == {"status": "ok"}
    answer = await client.get("/api/ready")
    assert answer.status_code == 503
    checks = {check["name"]: check for check in answer.json()["checks"]}
    assert {name: check["ok"] for name, check in checks.items()} == {"ledger": True, "prefect": False, "luma": False}
    assert all(check["detail"].endswith(".") for check in checks.values())
    heads = [(await client.head(f"/api/{path}")).status_code for path in ("health", "ready")]  # as balancers may ask
    assert heads == [200, 503]


async def test_a_database_that_is_away_is_503(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://postgres@127.0.0.1:9/none"})
    app = create_app(away)
    async with lifespan(app), _client(app) as client:
        for ask in (
            client.get(f"/api/job/{uuid4()}"),
            client.post("/api/generate", json={"script": SCRIPT}),
            client.get("/api/jobs"),
        ):
            answer = await ask
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
            assert answer.headers["retry-after"]
        assert (await client.post("/api/luma/callback/token")).status_code == 200
        ready = await client.get("/api/ready")
        assert (ready.status_code, ready.json()["checks"][0]["ok"]) == (503, False)
