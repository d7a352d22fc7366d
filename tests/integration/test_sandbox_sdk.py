"""Luma's own packages, unchanged, are the referee of the sandbox's two wires, over real HTTP."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import luma_agents
import lumaai
import pytest

from deployments.sandbox.app import server
from deployments.sandbox.clips import footer
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.drawing import draw
from deployments.sandbox.generations import Shape

KEY = "a-key"
PROMPT = "A lighthouse keeper climbs the stair"


@dataclass
class Running:
    """A sandbox on a port of its own, and its admin API."""

    url: str
    admin: httpx.Client

    def config(self, **changes: object) -> None:
        self.admin.put("/_sandbox/config", json=changes).raise_for_status()

    def advance(self, seconds: float) -> None:
        self.admin.post("/_sandbox/clock", json={"advance": seconds}).raise_for_status()

    def fault(self, **fault: object) -> None:
        self.admin.post("/_sandbox/faults", json=fault).raise_for_status()

    def charges(self) -> list[dict[str, Any]]:
        return list(self.admin.get("/_sandbox/charges").raise_for_status().json()["charges"])


@pytest.fixture(scope="module")
def _served() -> Iterator[str]:
    served = server(port=0, config=SandboxConfig(clips="cached"))
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not served.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}"
    served.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def sandbox(_served: str) -> Iterator[Running]:
    with httpx.Client(base_url=_served, trust_env=False) as admin:
        admin.post("/_sandbox/reset").raise_for_status()
        defaults = SandboxConfig(clips="cached", jitter=0).model_dump(mode="json")
        admin.put("/_sandbox/config", json=defaults).raise_for_status()
        yield Running(_served, admin)


@pytest.fixture
def dream(sandbox: Running) -> Iterator[lumaai.LumaAI]:
    with lumaai.LumaAI(auth_token=KEY, base_url=f"{sandbox.url}/dream-machine/v1", max_retries=0) as client:
        yield client


@pytest.fixture
async def async_dream(sandbox: Running) -> AsyncIterator[lumaai.AsyncLumaAI]:
    url = f"{sandbox.url}/dream-machine/v1"
    async with lumaai.AsyncLumaAI(auth_token=KEY, base_url=url, max_retries=0) as client:
        yield client


@pytest.fixture
def agents(sandbox: Running) -> Iterator[luma_agents.Luma]:
    with luma_agents.Luma(auth_token=KEY, base_url=f"{sandbox.url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
async def async_agents(sandbox: Running) -> AsyncIterator[luma_agents.AsyncLuma]:
    async with luma_agents.AsyncLuma(auth_token=KEY, base_url=f"{sandbox.url}/v1", max_retries=0) as client:
        yield client


# --- Dream Machine -----------------------------------------------------------------------------------------------


def test_dream_machine_takes_a_generation_from_queued_to_a_clip(dream: lumaai.LumaAI, sandbox: Running) -> None:
    made = dream.generations.create(
        model="ray-2", prompt=PROMPT, aspect_ratio="16:9", resolution="540p", duration="5s", loop=True,
        concepts=[{"key": "push_in"}],
    )  # fmt: skip
    assert made.id
    assert (made.state, made.model, made.generation_type, made.assets) == ("queued", "ray-2", "video", None)
    assert made.created_at is not None
    assert made.created_at.utcoffset() is not None
    assert made.request is not None
    assert made.request.to_dict() | {} == {
        "generation_type": "video", "model": "ray-2", "prompt": PROMPT, "aspect_ratio": "16:9", "loop": True,
        "keyframes": None, "callback_url": None, "resolution": "540p", "duration": "5s",
        "concepts": [{"key": "push_in"}],
    }  # fmt: skip
    sandbox.advance(2)
    assert dream.generations.get(made.id).state == "dreaming"
    sandbox.advance(2)
    done = dream.generations.get(made.id)
    assert (done.state, done.failure_reason) == ("completed", None)
    assert done.assets is not None
    assert done.assets.video
    assert done.assets.image
    assert done.assets.progress_video is None
    video = httpx.get(done.assets.video, timeout=30).raise_for_status()
    assert video.headers["content-type"] == "video/mp4"
    assert video.content[4:8] == b"ftyp"
    assert httpx.get(done.assets.image).raise_for_status().content[:3] == b"\xff\xd8\xff"


async def test_dream_machine_serves_the_asynchronous_client_alike(
    async_dream: lumaai.AsyncLumaAI, sandbox: Running
) -> None:
    made = await async_dream.generations.video.create(model="ray-flash-2", prompt=PROMPT, duration="9s")
    assert made.id
    sandbox.advance(10)
    done = await async_dream.generations.get(made.id)
    assert done.state == "completed"
    listed = await async_dream.generations.list(limit=5)
    assert [each.id for each in listed.generations] == [made.id]
    await async_dream.generations.delete(made.id)
    with pytest.raises(lumaai.NotFoundError):
        await async_dream.generations.get(made.id)
    assert (await async_dream.ping.check()).message == "pong"
    assert (await async_dream.credits.get()).credit_balance == pytest.approx(1_000_000 - 43.794, abs=0.01)


def test_the_list_is_paged_newest_first(dream: lumaai.LumaAI) -> None:
    ids = [dream.generations.create(model="ray-2", prompt=f"{PROMPT} {n}").id for n in range(5)]
    first = dream.generations.list(limit=2)
    assert (first.has_more, first.count, first.limit, first.offset) == (True, 2, 2, 0)
    assert [g.id for g in first.generations] == [ids[4], ids[3]]
    last = dream.generations.list(limit=2, offset=4)
    assert (last.has_more, last.count) == (False, 1)
    assert [g.id for g in last.generations] == [ids[0]]
    whole = dream.generations.list()
    assert (whole.limit, whole.offset, whole.count, whole.has_more) == (100, 0, 5, False)


def test_a_deleted_generation_is_gone_and_stays_paid(dream: lumaai.LumaAI, sandbox: Running) -> None:
    made = dream.generations.create(model="ray-2", prompt=PROMPT)
    assert made.id
    before = dream.credits.get().credit_balance
    dream.generations.delete(made.id)
    with pytest.raises(lumaai.NotFoundError, match="Generation not found"):
        dream.generations.delete(made.id)
    assert dream.generations.list().generations == []
    sandbox.advance(60)
    assert dream.credits.get().credit_balance == before


def test_small_endpoints(dream: lumaai.LumaAI) -> None:
    assert dream.ping.check().message == "pong"
    assert "push_in" in dream.generations.concepts.list()
    motions = dream.get("/generations/camera_motion/list", cast_to=list[str])
    assert "Orbit Left" in motions


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "ray-9", "prompt": PROMPT}, "model"),
        ({"model": "ray-2", "prompt": "no"}, "between 3 and 5000"),
        ({"model": "ray-2", "prompt": "x" * 5001}, "between 3 and 5000"),
        ({"model": "ray-2"}, "Prompt is required"),
        ({"model": "ray-2", "prompt": PROMPT, "duration": "10s"}, "duration"),
        ({"model": "ray-2", "prompt": PROMPT, "aspect_ratio": "2:1"}, "aspect_ratio"),
        ({"model": "ray-2", "prompt": PROMPT, "callback_url": "ftp://x"}, "callback_url"),
        ({"model": "ray-2", "prompt": PROMPT, "keyframes": {"frame0": {"type": "generation", "id": "x"}}}, "Keyframe"),
    ],
)
def test_a_bad_request_costs_nothing(dream: lumaai.LumaAI, sandbox: Running, body: dict[str, Any], words: str) -> None:
    with pytest.raises(lumaai.BadRequestError) as caught:
        dream.post("/generations", body=body, cast_to=object)
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"detail"}
    assert words in caught.value.body["detail"]
    assert sandbox.charges() == []


def test_extending_needs_a_completed_generation(dream: lumaai.LumaAI, sandbox: Running) -> None:
    made = dream.generations.create(model="ray-2", prompt=PROMPT)
    assert made.id
    frame: Any = {"frame0": {"type": "generation", "id": made.id}}
    with pytest.raises(lumaai.BadRequestError, match="not completed"):
        dream.generations.create(model="ray-2", prompt=PROMPT, keyframes=frame)
    sandbox.advance(10)
    assert dream.generations.create(model="ray-2", prompt=PROMPT, keyframes=frame).state == "queued"


def test_keys_and_account_faults_map_to_the_packages_own_errors(dream: lumaai.LumaAI, sandbox: Running) -> None:
    with pytest.raises(lumaai.AuthenticationError, match="Not authenticated"):
        dream.get("/ping", cast_to=object, options={"headers": {"Authorization": ""}})
    sandbox.config(valid_keys=["another"])
    with pytest.raises(lumaai.AuthenticationError, match="Invalid API key"):
        dream.generations.list()
    sandbox.config(valid_keys=None, credits_cents=70)
    with pytest.raises(lumaai.APIStatusError, match="Insufficient credits") as caught:
        dream.generations.create(model="ray-2", prompt=PROMPT)
    assert caught.value.status_code == 402
    sandbox.fault(kind="status", status=403, operation="create")
    with pytest.raises(lumaai.PermissionDeniedError):
        dream.generations.create(model="ray-2", prompt=PROMPT)
    sandbox.fault(kind="status", status=503, operation="get")
    sandbox.config(credits_cents=100)
    made = dream.generations.create(model="ray-2", prompt=PROMPT)
    assert made.id
    with pytest.raises(lumaai.InternalServerError):
        dream.generations.get(made.id)
    assert dream.generations.get(made.id).id == made.id


def test_another_keys_generation_is_not_found(dream: lumaai.LumaAI) -> None:
    made = dream.generations.create(model="ray-2", prompt=PROMPT)
    assert made.id
    stranger = dream.with_options(auth_token=f"not-{KEY}")
    with pytest.raises(lumaai.NotFoundError):
        stranger.generations.get(made.id)
    with pytest.raises(lumaai.NotFoundError):
        dream.generations.get("not-even-an-id")
    assert stranger.generations.list().generations == []


def test_twenty_creates_a_minute(dream: lumaai.LumaAI, sandbox: Running) -> None:
    sandbox.config(dream_machine_concurrency=0)
    for _ in range(20):
        dream.generations.create(model="ray-2", prompt=PROMPT)
    with pytest.raises(lumaai.RateLimitError, match="Rate limit exceeded"):
        dream.generations.create(model="ray-2", prompt=PROMPT)
    assert len(sandbox.charges()) == 20
    sandbox.advance(61)
    assert dream.generations.create(model="ray-2", prompt=PROMPT).id


def test_ten_at_once_and_a_slot_frees_when_one_ends(dream: lumaai.LumaAI, sandbox: Running) -> None:
    sandbox.config(generation_seconds=300)
    for _ in range(10):
        dream.generations.create(model="ray-2", prompt=PROMPT)
    with pytest.raises(lumaai.RateLimitError, match="Too many concurrent jobs"):
        dream.generations.create(model="ray-2", prompt=PROMPT)
    assert sandbox.admin.get("/_sandbox/stats").json()["max_concurrent"] == 10
    sandbox.advance(301)
    assert dream.generations.create(model="ray-2", prompt=PROMPT).id


def test_a_failed_generation_is_refunded(dream: lumaai.LumaAI, sandbox: Running) -> None:
    full = dream.credits.get().credit_balance
    made = dream.generations.create(model="ray-2", prompt=f"{PROMPT} [moderate]", resolution="720p", duration="5s")
    assert made.id
    assert dream.credits.get().credit_balance == pytest.approx(full - 70.78, abs=0.01)
    sandbox.advance(10)
    failed = dream.generations.get(made.id)
    assert (failed.state, failed.failure_reason, failed.assets) == ("failed", "frame moderation failed", None)
    assert dream.credits.get().credit_balance == full
    assert sandbox.charges()[0]["refunded_at"] is not None


def test_a_lost_answer_makes_the_package_pay_twice(sandbox: Running) -> None:
    """Nothing on this wire tells a repeated create from a new one, and the package repeats by itself."""
    with lumaai.LumaAI(auth_token=KEY, base_url=f"{sandbox.url}/dream-machine/v1") as client:
        made = client.generations.create(model="ray-2", prompt=f"{PROMPT} [lost]")
        charges = sandbox.charges()
        assert len(charges) == 2
        assert made.id == charges[1]["generation_id"]
        assert len(client.generations.list().generations) == 2
    assert list(sandbox.admin.get("/_sandbox/stats").json()["duplicates"].values()) == [2]


def test_a_lost_answer_breaks_the_connection(dream: lumaai.LumaAI, sandbox: Running) -> None:
    with pytest.raises(lumaai.APIConnectionError):
        dream.generations.create(model="ray-2", prompt=f"{PROMPT} [lost]")
    with pytest.raises(lumaai.APIConnectionError):
        dream.generations.create(model="ray-2", prompt=f"{PROMPT} [drop]")
    assert [charge["prompt"] for charge in sandbox.charges()] == [f"{PROMPT} [lost]"]


def test_an_answer_may_come_too_late(dream: lumaai.LumaAI, sandbox: Running) -> None:
    with pytest.raises(lumaai.APITimeoutError):
        dream.with_options(timeout=0.2).generations.create(model="ray-2", prompt=f"{PROMPT} [late:1]")
    assert len(sandbox.charges()) == 1


def test_asset_urls_expire_and_can_be_renewed(dream: lumaai.LumaAI, sandbox: Running) -> None:
    sandbox.config(url_seconds=100)
    made = dream.generations.create(model="ray-2", prompt=PROMPT, resolution="540p")
    assert made.id
    sandbox.advance(10)
    old = dream.generations.get(made.id).assets
    sandbox.advance(101)
    assert old is not None
    assert old.video
    assert httpx.get(old.video).status_code == 403
    new = dream.generations.get(made.id).assets
    assert new is not None
    assert new.video
    part = httpx.get(new.video, headers={"Range": "bytes=4-7"}, timeout=30)
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert httpx.get(new.video.replace("clip.mp4", "thumb.jpg")).status_code == 403


def test_a_drawn_clip_is_that_of_its_prompt(dream: lumaai.LumaAI, sandbox: Running) -> None:
    sandbox.config(clips="drawn")
    made = dream.generations.create(model="ray-2", prompt=PROMPT, resolution="540p", duration="5s")
    assert made.id
    sandbox.advance(10)
    assets = dream.generations.get(made.id).assets
    assert assets is not None
    assert assets.video
    shape = Shape.of("540p", "16:9", "5s")
    assert httpx.get(assets.video, timeout=60).content == draw(PROMPT, shape, footer(shape, "ray-2")).video


# --- Callbacks ---------------------------------------------------------------------------------------------------


@dataclass
class Receiver:
    """A tiny server that is called back."""

    url: str
    answers: list[int]
    bodies: list[dict[str, Any]]

    def wait(self, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 10
        while len(self.bodies) < count:
            assert time.monotonic() < deadline, f"{len(self.bodies)} of {count} callbacks came"
            time.sleep(0.01)
        return self.bodies


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    import json

    found = Receiver("", [], [])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(found.answers.pop(0) if found.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        found.url = f"http://127.0.0.1:{http.server_port}/cb/token-1"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield found
        http.shutdown()
        thread.join()


def test_callbacks_tell_every_move(dream: lumaai.LumaAI, sandbox: Running, receiver: Receiver) -> None:
    made = dream.generations.create(model="ray-2", prompt=PROMPT, callback_url=receiver.url)
    sandbox.advance(1)
    assert receiver.wait(1)[0]["state"] == "dreaming"
    sandbox.advance(10)
    done = receiver.wait(2)[1]
    assert (done["id"], done["state"], done["request"]["callback_url"]) == (made.id, "completed", receiver.url)
    assert made.id
    now = dream.generations.get(made.id).to_dict()
    assert set(done) == set(now)
    assert sandbox.charges()[0]["callback_url"] == receiver.url


def test_a_callback_is_repeated_until_exactly_200(dream: lumaai.LumaAI, sandbox: Running, receiver: Receiver) -> None:
    receiver.answers += [204, 500, 301, 404]
    dream.generations.create(model="ray-2", prompt=f"{PROMPT} [fail]", callback_url=receiver.url)
    sandbox.advance(1)
    for bodies in (1, 2, 3, 4):
        receiver.wait(bodies)
        sandbox.advance(0.1)
    sandbox.advance(10)
    states = [body["state"] for body in receiver.wait(5)]
    assert states == ["dreaming"] * 4 + ["failed"]
    deadline = time.monotonic() + 5
    while (counts := sandbox.admin.get("/_sandbox/stats").json()["callbacks"])["delivered"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert counts == {"sent": 5, "delivered": 1, "given_up": 1, "refused": 0}


# --- Agents ------------------------------------------------------------------------------------------------------


def test_agents_takes_a_generation_to_a_clip(agents: luma_agents.Luma, sandbox: Running) -> None:
    made = agents.generations.create(
        model="ray-3.2", type="video", prompt=PROMPT, aspect_ratio="9:16", user_id="u1",
        video={"resolution": "540p", "duration": "10s"},
    )  # fmt: skip
    assert (made.state, made.type, made.model, made.output) == ("queued", "video", "ray-3.2", [])
    assert (made.failure_code, made.failure_reason) == (None, None)
    sandbox.advance(2)
    assert agents.generations.get(made.id).state == "processing"
    sandbox.advance(10)
    first, second = agents.generations.get(made.id), agents.generations.get(made.id)
    assert first.state == "completed"
    assert first.output
    assert second.output
    assert first.output[0].type == "video"
    assert first.output[0].url != second.output[0].url
    assert httpx.get(first.output[0].url, timeout=30).raise_for_status().content[4:8] == b"ftyp"
    sandbox.advance(3601)
    assert httpx.get(first.output[0].url).status_code == 403
    assert sandbox.charges()[0]["cost_micros"] == 450_000


async def test_agents_serves_the_asynchronous_client_alike(
    async_agents: luma_agents.AsyncLuma, sandbox: Running
) -> None:
    made = await asyncio.gather(
        *(async_agents.generations.create(model="ray-3.2", type="video", prompt=f"{PROMPT} {n}") for n in range(3))
    )
    sandbox.advance(10)
    done = [await async_agents.generations.get(each.id) for each in made]
    assert [each.state for each in done] == ["completed"] * 3


def test_agents_headers(agents: luma_agents.Luma, sandbox: Running) -> None:
    created = agents.generations.with_raw_response.create(
        model="ray-3.2", type="video", prompt=PROMPT, extra_headers={"X-Request-Id": "mine-1"}
    )
    headers = created.headers
    assert (headers["x-request-id"], headers["x-api-version"]) == ("mine-1", "2026-04-01")
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("30", "29")
    now = httpx.get(f"{sandbox.url}/_sandbox/clock").json()["now"]
    assert now.endswith("Z")
    assert int(headers["x-ratelimit-reset"]) > 1_700_000_000
    with pytest.raises(luma_agents.NotFoundError, match="Generation not found") as caught:
        agents.generations.get("b0e1c1f2-0000-4000-8000-000000000000")
    assert caught.value.response.headers["x-api-version"] == "2026-04-01"
    assert len(caught.value.response.headers["x-request-id"]) == 36
    assert "x-ratelimit-limit" not in caught.value.response.headers


@pytest.mark.parametrize(
    ("body", "error", "detail"),
    [
        ({"model": "ray-9", "prompt": "a"}, luma_agents.BadRequestError, "Unknown model: ray-9"),
        (
            {"model": "ray-3.2", "prompt": ""},
            luma_agents.BadRequestError,
            "Prompt must be between 1 and 6000 characters",
        ),
        (
            {"model": "ray-3.2", "prompt": "a", "aspect_ratio": "2:1"},
            luma_agents.BadRequestError,
            "Invalid aspect_ratio '2:1'. Valid: 9:16, 3:4, 1:1, 4:3, 16:9, 21:9",
        ),
        (
            {"model": "ray-3.2", "prompt": "a", "video": {"duration": "10s", "loop": True}},
            luma_agents.UnprocessableEntityError,
            "loop is not supported with duration=10s",
        ),
    ],
)
def test_agents_errors(
    agents: luma_agents.Luma, sandbox: Running, body: dict[str, Any], error: type[Exception], detail: str
) -> None:
    with pytest.raises(error) as caught:
        agents.post("/generations", body=body, cast_to=object)
    assert getattr(caught.value, "body", None) == {"detail": detail}
    assert sandbox.charges() == []


def test_agents_refuses_a_missing_key(agents: luma_agents.Luma) -> None:
    with pytest.raises(luma_agents.AuthenticationError, match="Missing or invalid API key"):
        agents.get("/generations/x", cast_to=object, options={"headers": {"Authorization": "Basic x"}})


def test_agents_rate_limit_says_when(agents: luma_agents.Luma, sandbox: Running) -> None:
    sandbox.config(agents_concurrency=0, agents_creates_per_minute=3)
    for _ in range(3):
        agents.generations.create(model="ray-3.2", prompt="a", type="video")
    sandbox.advance(20)
    with pytest.raises(luma_agents.RateLimitError, match="Rate limit exceeded") as caught:
        agents.generations.create(model="ray-3.2", prompt="a", type="video")
    headers = caught.value.response.headers
    assert 38 <= int(headers["retry-after"]) <= 40
    assert headers["x-ratelimit-remaining"] == "0"
    sandbox.config(agents_concurrency=2, agents_creates_per_minute=0, generation_seconds=500)
    sandbox.advance(60)
    for _ in range(2):
        agents.generations.create(model="ray-3.2", prompt="a", type="video")
    with pytest.raises(luma_agents.RateLimitError, match="Too many concurrent jobs") as caught:
        agents.generations.create(model="ray-3.2", prompt="a", type="video")
    assert caught.value.response.headers["retry-after"] == "60"
    assert not any(name.startswith("x-ratelimit") for name in caught.value.response.headers)


@pytest.mark.parametrize(
    ("fault", "code", "refunded"),
    [
        ({"kind": "moderate"}, "content_moderated", True),
        ({"kind": "fail"}, "generation_failed", True),
        ({"kind": "fail", "code": "budget_exhausted"}, "budget_exhausted", False),
    ],
)
def test_agents_failures_carry_a_code(
    agents: luma_agents.Luma, sandbox: Running, fault: dict[str, str], code: str, refunded: bool
) -> None:
    sandbox.fault(**fault, wire="agents")
    made = agents.generations.create(model="ray-3.2", prompt="a", type="video")
    sandbox.advance(10)
    failed = agents.generations.get(made.id)
    assert (failed.state, failed.failure_code, failed.output) == ("failed", code, [])
    assert (sandbox.charges()[0]["refunded_at"] is not None) is refunded
