"""The client at the wire: creates go out once, questions are repeated, strange answers become members of the tree."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tasks.luma import (
    AccountError,
    Backoff,
    DreamMachine,
    GenerationNotFound,
    GenerationRequest,
    GenerationState,
    LumaError,
    Patience,
    RateLimited,
    RequestRefused,
    StrangeAnswer,
    SubmissionDoubted,
    Unavailable,
    Unreachable,
)
from tests.virtual_time import run

KEY = "luma-0123456789"
REQUEST = GenerationRequest("A lighthouse in the rain.", "ray-2", "16:9", "720p", "9s", loop=False)
BACKOFF = Backoff(base=1, factor=2, maximum=4, jitter=0.5)


class Wire:
    """Answers calls one after the other, the last answer for ever; an exception is raised."""

    def __init__(self, *answers: httpx.Response | Exception | Callable[[], httpx.Response]) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[float, httpx.Request]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append((asyncio.get_running_loop().time(), request))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.calls]


def ask(wire: Any, call: Callable[[DreamMachine], Any], **options: Any) -> Any:
    async def main() -> Any:
        transport = httpx.MockTransport(wire)
        settings = {"backoff": BACKOFF, "rng": lambda: 0.0, **options}
        async with DreamMachine(SecretStr(KEY), "https://luma.test/v1/", transport=transport, **settings) as client:
            return await call(client)

    return run(main())


def reply(status: int = 200, body: object = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body if body is not None else {"detail": "because"}, headers=named)


QUEUED = reply(201, {"id": "g1", "state": "queued"})


def test_a_create_carries_the_request_the_callback_and_the_key() -> None:
    wire = Wire(QUEUED)
    generation = ask(wire, lambda client: client.submit(REQUEST, "https://us.test/cb/t0ken"))
    assert (generation.id, generation.state) == ("g1", GenerationState.QUEUED)
    ((_, sent),) = wire.calls
    assert (sent.method, str(sent.url)) == ("POST", "https://luma.test/v1/generations")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    assert json.loads(sent.content) == {**REQUEST.body(), "callback_url": "https://us.test/cb/t0ken"}


def test_without_a_callback_none_is_named() -> None:
    wire = Wire(QUEUED)
    ask(wire, lambda client: client.submit(REQUEST))
    assert json.loads(wire.calls[0][1].content) == REQUEST.body()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ReadTimeout("slow"), SubmissionDoubted),
        (httpx.RemoteProtocolError("closed"), SubmissionDoubted),
        (ConnectionResetError(), SubmissionDoubted),
        (reply(500), SubmissionDoubted),
        (reply(503), SubmissionDoubted),
        (reply(429, retry_after="9"), RateLimited),
        (reply(400), RequestRefused),
        (reply(401), AccountError),
        (reply(402), AccountError),
        (reply(403), AccountError),
        (reply(308, location="https://elsewhere.test/"), AccountError),
        (reply(303, location="https://elsewhere.test/"), SubmissionDoubted),
        (httpx.Response(201, html="<html>"), SubmissionDoubted),
        (httpx.Response(201, content=b""), SubmissionDoubted),
        (httpx.Response(204), SubmissionDoubted),
        (httpx.Response(201, content=b'{"id": "g1", "sta'), SubmissionDoubted),
        (reply(201, {"state": "queued"}), SubmissionDoubted),
        (reply(201, [1]), SubmissionDoubted),
        (httpx.Response(201, content=b"not gzip", headers={"content-encoding": "identity"}), SubmissionDoubted),
    ],
)
def test_whatever_happens_a_create_goes_out_once(answer: httpx.Response | Exception, kind: type[LumaError]) -> None:
    wire = Wire(answer)
    with pytest.raises(kind):
        ask(wire, lambda client: client.submit(REQUEST))
    assert len(wire.calls) == 1


def test_an_answer_that_can_not_be_decoded_is_a_doubt() -> None:
    def broken(_: httpx.Request) -> httpx.Response:
        async def body() -> Any:
            yield b"this is not gzip"

        return httpx.Response(201, content=body(), headers={"content-encoding": "gzip"})

    with pytest.raises(SubmissionDoubted):
        ask(broken, lambda client: client.submit(REQUEST))


def test_a_create_that_never_ends_is_a_doubt_in_bounded_time() -> None:
    async def silent(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(10_000)
        raise AssertionError

    async def submit(client: DreamMachine) -> float:
        with pytest.raises(SubmissionDoubted):
            await client.submit(REQUEST)
        return asyncio.get_running_loop().time()

    assert ask(silent, submit, patience=Patience(connect=5, create=20)) == 25


def test_a_rate_limit_tells_how_long() -> None:
    with pytest.raises(RateLimited) as caught:
        ask(Wire(reply(429, retry_after="9")), lambda client: client.submit(REQUEST))
    assert caught.value.retry_after == 9


def test_a_prompt_that_no_wire_can_carry_is_refused_before_it_is_sent() -> None:
    wire = Wire(QUEUED)
    bad = GenerationRequest("half a \ud83d pair", "ray-2", "16:9", "720p", "9s", loop=False)
    with pytest.raises(RequestRefused):
        ask(wire, lambda client: client.submit(bad))
    assert wire.calls == []


DREAMING = reply(200, {"id": "g1", "state": "dreaming"})


@pytest.mark.parametrize(
    ("trouble", "times"),
    [
        ([], [0]),
        ([reply(500)], [0, 1]),
        ([reply(502), httpx.ReadTimeout(""), httpx.ConnectError(""), reply(503)], [0, 1, 3, 7, 11]),
        ([reply(429, retry_after="20")], [0, 20]),
        ([reply(429, retry_after="86400")], [0, 60]),  # capped
        ([reply(503, retry_after="0")], [0, 1]),  # our own pause is the least
        ([httpx.Response(200, html="<p>proxy</p>")], [0, 1]),
        ([httpx.Response(200, content=b"")], [0, 1]),
        ([reply(200, {"id": "another", "state": "completed"})], [0, 1]),
        ([httpx.Response(404, html="<p>no route</p>")], [0, 1]),
    ],
)
def test_questions_are_asked_again(trouble: list[httpx.Response | Exception], times: list[float]) -> None:
    wire = Wire(*trouble, DREAMING)
    assert ask(wire, lambda client: client.get("g1")).state is GenerationState.DREAMING
    assert wire.times == times


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(503), Unavailable),
        (reply(429), Unavailable),
        (httpx.ReadTimeout(""), Unavailable),
        (httpx.Response(200, html="<p>proxy</p>"), StrangeAnswer),
    ],
)
def test_but_not_for_ever(answer: httpx.Response | Exception, kind: type[LumaError]) -> None:
    wire = Wire(answer)
    with pytest.raises(kind):
        ask(wire, lambda client: client.get("g1"))
    assert wire.times == [0, 1, 3, 7, 11]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(401), AccountError),
        (reply(402), AccountError),
        (reply(403), AccountError),
        (reply(400), RequestRefused),
        (reply(404, {"detail": "Generation not found"}), GenerationNotFound),
        (reply(301, location="https://elsewhere.test/"), AccountError),
    ],
)
def test_final_answers_are_not_questioned(answer: httpx.Response, kind: type[LumaError]) -> None:
    wire = Wire(answer)
    with pytest.raises(kind):
        ask(wire, lambda client: client.get("g1"))
    assert len(wire.calls) == 1


def test_a_question_that_hangs_is_asked_again() -> None:
    calls = []

    async def hangs_once(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        if len(calls) == 1:
            await asyncio.sleep(10_000)
        return httpx.Response(200, json={"id": "g1", "state": "dreaming"})

    assert ask(hangs_once, lambda client: client.get("g1")).id == "g1"


def test_jitter_shortens_the_pause() -> None:
    wire = Wire(reply(500), DREAMING)
    ask(wire, lambda client: client.get("g1"), rng=lambda: 0.5)
    assert wire.times == [0, 0.75]


@pytest.mark.parametrize("generation_id", ["", "..", "../credits", "a/b", "a?b", "x" * 300, "a\nb"])
def test_an_id_that_no_address_can_hold_is_not_asked_for(generation_id: str) -> None:
    wire = Wire(DREAMING)
    with pytest.raises(GenerationNotFound):
        ask(wire, lambda client: client.get(generation_id))
    assert wire.calls == []


def test_deleting_is_repeated_and_done_when_it_is_gone() -> None:
    wire = Wire(reply(503), reply(404, {"detail": "Generation not found"}))
    assert ask(wire, lambda client: client.delete("g1")) is None
    assert [request.method for _, request in wire.calls] == ["DELETE", "DELETE"]
    ask(Wire(httpx.Response(204)), lambda client: client.delete("g1"))


@pytest.mark.parametrize(("body", "cents"), [({"credit_balance": 1234.5}, 1234.5), ({"credit_balance": 0}, 0.0)])
def test_credits_are_cents(body: object, cents: float) -> None:
    assert ask(Wire(reply(200, body)), lambda client: client.credits()) == cents


@pytest.mark.parametrize("body", [{}, [], {"credit_balance": None}, {"credit_balance": True}, {"credit_balance": "9"}])
def test_no_credits_told_is_a_strange_answer(body: object) -> None:
    with pytest.raises(StrangeAnswer):
        ask(Wire(reply(200, body)), lambda client: client.credits())


def test_ping() -> None:
    assert ask(Wire(reply(200, {"message": "pong"})), lambda client: client.ping()) is None
    with pytest.raises(AccountError):
        ask(Wire(reply(401)), lambda client: client.ping())


@pytest.mark.parametrize("call", ["submit", "get"])
@pytest.mark.parametrize("status", [400, 401, 403, 422, 429, 500])
def test_no_error_holds_the_key(call: str, status: int) -> None:
    wire = Wire(reply(status, {"detail": f"Invalid API key {KEY} for Bearer {KEY}"}))
    with pytest.raises(LumaError) as caught:
        ask(wire, lambda client: client.submit(REQUEST) if call == "submit" else client.get("g1"))
    seen: BaseException | None = caught.value
    while seen is not None:
        assert KEY not in f"{seen!r} {seen} {vars(seen)}"
        seen = seen.__cause__


@pytest.mark.parametrize("key", ["", "   ", "two words", "schlüssel", "line\nbreak", "nul\x00"])
def test_a_key_that_can_not_be_one_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(AccountError) as caught:
        DreamMachine(SecretStr(key), "https://luma.test")
    assert not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize("url", ["", "luma.test/v1", "ftp://luma.test", "https://", "https://a\nb", "http://a:99999"])
def test_an_address_that_can_not_be_one_is_refused(url: str) -> None:
    with pytest.raises(AccountError, match="address"):
        DreamMachine(SecretStr(KEY), url)
