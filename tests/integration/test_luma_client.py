"""The Luma client, its waiting, gate and lookup against the sandbox over the wire, mostly under virtual time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest
from pydantic import SecretStr

from deployments.sandbox.app import create_sandbox
from deployments.sandbox.clock import Clock
from deployments.sandbox.config import SandboxConfig
from deployments.sandbox.faults import Fault
from deployments.sandbox.sandbox import Sandbox
from tasks.luma import (
    AccountError,
    AssetBroken,
    AssetExpired,
    DreamMachine,
    Gate,
    Generation,
    GenerationFailed,
    GenerationNotFound,
    GenerationRequest,
    GenerationState,
    LumaError,
    RateLimited,
    RequestRefused,
    StrangeAnswer,
    SubmissionDoubted,
    Unavailable,
    Unreachable,
    look_for,
    wait_for,
)
from tasks.luma.durations import Schedule
from tasks.luma.polls import Polls
from tasks.options import VideoOptions
from tests.virtual_time import run

START = datetime(2026, 4, 1, 9, 0, 0, tzinfo=UTC)
EVERY_SECOND = Schedule(first=9, share=0, least=1, most=1)
AT_TWO = Schedule(first=2, share=0, least=1, most=1)
TOKEN = "http://127.0.0.1:1/api/luma/callback/unguessable"  # noqa: S105

T = TypeVar("T")
Body = Callable[[DreamMachine, Sandbox], Awaitable[T]]


def request(prompt: str) -> GenerationRequest:
    return GenerationRequest.of(prompt, VideoOptions())


@asynccontextmanager
async def luma(config: SandboxConfig) -> AsyncIterator[tuple[DreamMachine, Sandbox]]:
    app = create_sandbox(config, Clock(START))
    transport = httpx.ASGITransport(app=app)
    async with DreamMachine(
        SecretStr("any-key"), "http://luma.test/dream-machine/v1", transport=transport, rng=lambda: 0.0
    ) as client:
        yield client, app.state.sandbox
    await app.state.sandbox.aclose()


def with_luma(body: Body[T], **config: Any) -> T:
    """Run `body` against a sandbox of its own, whose clock is the virtual loop's."""
    settled = SandboxConfig.model_validate({"generation_seconds": 10, "jitter": 0, "clips": "cached", **config})

    async def main() -> T:
        async with luma(settled) as (client, sandbox):
            return await body(client, sandbox)

    return run(main())


async def finished(client: DreamMachine, generation: Generation) -> Generation:
    return await wait_for(Polls(client), generation.id, EVERY_SECOND, deadline_seconds=600)


async def fetched(client: DreamMachine, url: str) -> bytes:
    async with aclosing(client.download(url)) as chunks:
        return b"".join([chunk async for chunk in chunks])


def test_from_request_to_clip() -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        begun = await client.submit(request("A lighthouse in the rain."))
        assert begun.state is GenerationState.QUEUED
        assert begun.created_at == START
        assert begun.model == "ray-2"
        assert request("A lighthouse in the rain.").echoed_by(begun.request)
        done = await finished(client, begun)
        assert 10 <= asyncio.get_running_loop().time() <= 11
        assert done.video_url
        assert done.image_url
        clip = await fetched(client, done.video_url)
        assert clip[4:8] == b"ftyp"
        assert await client.credits() == pytest.approx(1_000_000 - 127.4, abs=0.1)
        await client.ping()
        await client.delete(begun.id)
        await client.delete(begun.id)
        with pytest.raises(GenerationNotFound):
            await client.get(begun.id)
        assert len(sandbox.charges.rows) == 1

    with_luma(body)


@pytest.mark.parametrize(
    ("marker", "kind", "charges"),
    [
        ("[401]", AccountError, 0),
        ("[402]", AccountError, 0),
        ("[403]", AccountError, 0),
        ("[429]", RateLimited, 0),
        ("[drop]", SubmissionDoubted, 0),
        ("[lost]", SubmissionDoubted, 1),
        ("[502]", SubmissionDoubted, 1),
    ],
)
def test_creates_that_go_wrong(marker: str, kind: type[LumaError], charges: int) -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        with pytest.raises(kind):
            await client.submit(request(f"A lighthouse {marker}"))
        assert len(sandbox.charges.rows) == charges
        assert sandbox.stats.counts["posts"] == 1

    with_luma(body)


@pytest.mark.parametrize("kind", ["html", "empty", "malformed"])
def test_a_create_whose_answer_is_spoilt_is_a_doubt(kind: str) -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        sandbox.faults.add(Fault.model_validate({"kind": kind, "operation": "create", "carried_out": True}))
        with pytest.raises(SubmissionDoubted):
            await client.submit(request("A lighthouse."))
        assert len(sandbox.charges.rows) == 1

    with_luma(body)


def test_a_refused_request_keeps_lumas_words() -> None:
    async def body(client: DreamMachine, _: Sandbox) -> None:
        with pytest.raises(RequestRefused, match="between 3 and 5000"):
            await client.submit(request("ab"))

    with_luma(body)


@pytest.mark.parametrize("marker", ["[5xx:3]", "[html]", "[empty]", "[malformed]", "[unknown-state]"])
def test_polls_that_go_wrong_are_waited_out(marker: str) -> None:
    async def body(client: DreamMachine, _: Sandbox) -> GenerationState:
        return (await finished(client, await client.submit(request(f"A lighthouse {marker}")))).state

    assert with_luma(body) is GenerationState.COMPLETED


@pytest.mark.parametrize(
    ("marker", "kind", "code"),
    [
        ("[fail]", GenerationFailed, "luma_generation_failed"),
        ("[moderate]", GenerationFailed, "luma_moderated"),
        ("[no-assets]", AssetBroken, "luma_asset_broken"),
    ],
)
def test_generations_that_end_badly(marker: str, kind: type[LumaError], code: str) -> None:
    async def body(client: DreamMachine, _: Sandbox) -> None:
        begun = await client.submit(request(f"A lighthouse {marker}"))
        with pytest.raises(kind) as caught:
            await finished(client, begun)
        assert caught.value.code == code

    with_luma(body)


def test_an_expired_address_is_renewed_by_asking_again() -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        done = await finished(client, await client.submit(request("A lighthouse.")))
        sandbox.clock.advance(7200)
        with pytest.raises(AssetExpired):
            await fetched(client, done.video_url or "")
        fresh = await client.get(done.id)
        assert await fetched(client, fresh.video_url or "")

    with_luma(body)


def test_the_whole_list_and_its_newest_part() -> None:
    async def body(client: DreamMachine, _: Sandbox) -> None:
        ids = []
        for n in range(250):
            ids.append((await client.submit(request(f"Scene {n}."))).id)
            await asyncio.sleep(1)
        newest_first = ids[::-1]
        assert [row.id async for row in client.generations()] == newest_first
        since = START + timedelta(seconds=200)
        assert [row.id async for row in client.generations(since)] == newest_first[:50]

    with_luma(body, dream_machine_concurrency=0, dream_machine_creates_per_minute=0)


async def doubted(client: DreamMachine, prompt: str, token: str | None) -> datetime:
    """The moment of an intent whose create got no answer."""
    intent = START + timedelta(seconds=asyncio.get_running_loop().time())
    with pytest.raises(SubmissionDoubted):
        await client.submit(request(prompt), token)
    return intent


def looked_up(client: DreamMachine, prompt: str, token: str | None, intent: datetime) -> Awaitable[Generation | None]:
    async def known(_: Iterable[str]) -> set[str]:
        return set()

    return look_for(
        client,
        token_url=token,
        request_body=request(prompt).body(),
        intended_at=intent,
        known=known,
        now=lambda: START + timedelta(seconds=asyncio.get_running_loop().time()),
        rng=lambda: 0.0,
    )


@pytest.mark.parametrize("token", [TOKEN, None])
@pytest.mark.parametrize(("marker", "begun"), [("[lost]", True), ("[502]", True), ("[drop]", False)])
def test_a_doubted_create_is_found_or_surely_not_there(token: str | None, marker: str, begun: bool) -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        await client.submit(request("A lighthouse."), TOKEN + "-other" if token else None)
        intent = await doubted(client, f"A lighthouse {marker}", token)
        found = await looked_up(client, f"A lighthouse {marker}", token, intent)
        assert (found is not None) is begun
        if found:
            assert found.id == sandbox.charges.rows[-1].generation_id
            assert (await finished(client, found)).video_url

    with_luma(body)


def test_a_doubted_create_that_is_listed_late_is_found() -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        intent = await doubted(client, "A lighthouse [lost]", TOKEN)
        found = await looked_up(client, "A lighthouse [lost]", TOKEN, intent)
        assert found is not None
        assert asyncio.get_running_loop().time() >= 45
        assert len(sandbox.charges.rows) == 1

    with_luma(body, list_lag_seconds=45)


def test_a_list_that_is_a_page_leaves_the_doubt() -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        sandbox.faults.add(Fault.model_validate({"kind": "html", "operation": "list", "times": None, "status": 200}))
        intent = await doubted(client, "A lighthouse [lost]", TOKEN)
        with pytest.raises(StrangeAnswer):
            await looked_up(client, "A lighthouse [lost]", TOKEN, intent)

    with_luma(body)


class Worker:
    """What scenes of one process share, and when each job's last one ended."""

    def __init__(self, client: DreamMachine, gate: Gate) -> None:
        self.client, self.gate, self.polls = client, gate, Polls(client)
        self.ends: dict[str, float] = {}


async def scene(worker: Worker, job: str, prompt: str) -> None:
    """One scene as a worker runs it: a slot, a create that may be refused, the wait."""
    async with worker.gate.slot(job) as slot:
        while True:
            try:
                begun = await worker.client.submit(request(prompt))
                break
            except RateLimited as error:
                await slot.refused(error.retry_after)
        slot.answered()
        await wait_for(worker.polls, begun.id, AT_TWO, deadline_seconds=600)
    worker.ends[job] = asyncio.get_running_loop().time()


def test_the_accounts_slots_are_never_idle_and_never_exceeded() -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        worker = Worker(client, Gate(10, 0))
        work = [scene(worker, f"job {n // 5}", f"Scene {n}.") for n in range(100)]
        await asyncio.gather(*work)
        assert asyncio.get_running_loop().time() / 20 <= 1.01  # 100 scenes of 2 s over 10 slots
        assert sandbox.stats_json()["refused_429"] == 0

    with_luma(body, generation_seconds=2, dream_machine_creates_per_minute=0)


def test_the_accounts_minute_is_never_exceeded() -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        worker = Worker(client, Gate(10, 20))
        await asyncio.gather(*(scene(worker, f"job {n // 5}", f"Scene {n}.") for n in range(60)))
        assert asyncio.get_running_loop().time() <= 2 * 61 + 4  # the third twenty begin in the third minute
        assert sandbox.stats_json()["refused_429"] == 0

    with_luma(body, generation_seconds=2)


def test_a_three_scene_job_passes_a_forty_scene_one() -> None:
    async def body(client: DreamMachine, _: Sandbox) -> None:
        worker = Worker(client, Gate(10, 0))
        long = [scene(worker, "long", f"Long {n}.") for n in range(40)]
        short = [scene(worker, "short", f"Short {n}.") for n in range(3)]
        await asyncio.gather(*long, *short)
        assert worker.ends["short"] == pytest.approx(4, abs=0.1)

    with_luma(body, generation_seconds=2, dream_machine_creates_per_minute=0)


def test_someone_else_on_the_account_costs_refusals_but_no_scene() -> None:
    async def body(client: DreamMachine, sandbox: Sandbox) -> None:
        for n in range(4):
            await client.submit(request(f"Somebody else's {n}."))
        worker = Worker(client, Gate(5, 0))
        await asyncio.gather(*(scene(worker, "ours", f"Ours {n}.") for n in range(10)))
        assert len(sandbox.charges.rows) == 14
        assert sandbox.stats_json()["refused_429"]

    with_luma(body, generation_seconds=2, dream_machine_concurrency=5, dream_machine_creates_per_minute=0)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    """The API's address at a real socket; every connection is over when the block has ended."""
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    server.close()
    await asyncio.wait_for(asyncio.gather(*connections), 10)
    await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> str:
    """The method of the next request, read to its end; empty when the client hung up."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""
    lengths = [line.split(":")[1] for line in head.lower().splitlines() if line.startswith("content-length:")]
    await reader.readexactly(int(lengths[0]) if lengths else 0)
    return head.split(" ", 1)[0]


async def test_creates_go_out_on_fresh_connections_and_questions_on_kept_ones() -> None:
    used: list[list[str]] = []
    body = b'{"id": "g1", "state": "queued"}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods: list[str] = []
        used.append(methods)
        while method := await read_request(reader):
            methods.append(method)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with listening(serve) as url, DreamMachine(SecretStr("key"), url) as client:
        for _ in range(3):
            await client.submit(request("A lighthouse."))
            await client.get("g1")
    assert sorted(used) == [["GET", "GET", "GET"], ["POST"], ["POST"], ["POST"]]


async def test_a_luma_on_this_machine_is_reached_past_any_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.invalid:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with listening(serve) as url, DreamMachine(SecretStr("key"), url) as client:
        await client.ping()


async def test_nobody_listening_began_nothing() -> None:
    async with listening(lambda *_: asyncio.sleep(0)) as url:
        pass
    async with DreamMachine(SecretStr("key"), url) as client:
        with pytest.raises(Unreachable):
            await client.submit(request("A lighthouse."))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 201 Created\r\nContent-Len",
        b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    ],
)
async def test_a_connection_closed_before_the_whole_answer_is_a_doubt(answer: bytes) -> None:
    requests = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(answer)
        await writer.drain()

    async with listening(hang_up) as url, DreamMachine(SecretStr("key"), url) as client:
        with pytest.raises(SubmissionDoubted):
            await client.submit(request("A lighthouse."))
    assert requests == ["POST"]


async def test_a_clip_cut_short_is_not_taken_for_whole() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(3000))

    async with listening(cut) as url, DreamMachine(SecretStr("key"), url) as client:
        with pytest.raises(Unavailable):
            await fetched(client, url)
