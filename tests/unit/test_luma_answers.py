"""What answers and broken calls mean, for creates and for questions."""

from datetime import UTC, datetime
from email.utils import format_datetime

import httpx
import pytest

from tasks.luma import (
    AccountError,
    LumaError,
    RateLimited,
    RequestRefused,
    Spent,
    StrangeAnswer,
    SubmissionDoubted,
    Unavailable,
    Unreachable,
)
from tasks.luma.answers import (
    broken_create,
    broken_read,
    detail_of,
    json_of,
    refused_create,
    refused_read,
    retry_after,
)

NOTHING_BEGUN = [
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
]
AMBIGUOUS = [
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    httpx.DecodingError,
    httpx.TooManyRedirects,
    TimeoutError,
    ConnectionResetError,
]


@pytest.mark.parametrize("kind", NOTHING_BEGUN)
def test_a_create_that_never_left_began_nothing(kind: type[Exception]) -> None:
    error = broken_create(kind("Bearer secret"))
    assert isinstance(error, Unreachable)
    assert error.spent is Spent.NO
    assert "secret" not in str(error)


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_a_create_that_may_have_arrived_is_doubted(kind: type[Exception]) -> None:
    error = broken_create(kind("Bearer secret"))
    assert isinstance(error, SubmissionDoubted)
    assert error.spent is Spent.MAYBE
    assert "secret" not in str(error)


def test_every_transport_error_of_httpx_is_decided() -> None:
    def leaves(kind: type[Exception]) -> set[type[Exception]]:
        below = kind.__subclasses__()
        return set().union(*map(leaves, below)) if below else {kind}

    assert leaves(httpx.RequestError) <= {*NOTHING_BEGUN, *AMBIGUOUS}


@pytest.mark.parametrize("kind", [*NOTHING_BEGUN, *AMBIGUOUS])
def test_a_broken_question_costs_nothing(kind: type[Exception]) -> None:
    assert broken_read(kind("")).spent is Spent.NO


def answer(status: int, detail: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"detail": detail}, headers=named)


CREATES: list[tuple[int, str, type[LumaError] | None, str]] = [
    (200, "", None, ""),
    (201, "", None, ""),
    (204, "", None, ""),
    (301, "", AccountError, "luma_address_wrong"),
    (302, "", SubmissionDoubted, "luma_submission_doubted"),
    (303, "", SubmissionDoubted, "luma_submission_doubted"),
    (304, "", SubmissionDoubted, "luma_submission_doubted"),
    (308, "", AccountError, "luma_address_wrong"),
    (400, "prompt is too long", RequestRefused, "luma_request_refused"),
    (400, "Insufficient credits", AccountError, "luma_no_credits"),
    (401, "Invalid API key", AccountError, "luma_key_invalid"),
    (402, "Payment required", AccountError, "luma_no_credits"),
    (403, "API client is suspended", AccountError, "luma_forbidden"),
    (404, "Not Found", AccountError, "luma_address_wrong"),
    (404, "Keyframe generation not found", RequestRefused, "luma_request_refused"),
    (405, "Method Not Allowed", AccountError, "luma_address_wrong"),
    (408, "", SubmissionDoubted, "luma_submission_doubted"),
    (409, "no", RequestRefused, "luma_request_refused"),
    (413, "", RequestRefused, "luma_request_refused"),
    (422, "no", RequestRefused, "luma_request_refused"),
    (429, "Rate limit exceeded", RateLimited, "luma_rate_limited"),
    (500, "", SubmissionDoubted, "luma_submission_doubted"),
    (502, "", SubmissionDoubted, "luma_submission_doubted"),
    (503, "", SubmissionDoubted, "luma_submission_doubted"),
    (504, "", SubmissionDoubted, "luma_submission_doubted"),
    (599, "", SubmissionDoubted, "luma_submission_doubted"),
]


@pytest.mark.parametrize(("status", "detail", "kind", "code"), CREATES)
def test_answers_to_a_create(status: int, detail: str, kind: type[LumaError] | None, code: str) -> None:
    error = refused_create(answer(status, detail), detail)
    assert (type(error) if error else None) is kind
    assert error is None or error.code == code


def test_a_refusal_keeps_lumas_words() -> None:
    error = refused_create(answer(400), "Prompt must be between 3 and 5000 characters")
    assert str(error) == "Luma refused this scene: Prompt must be between 3 and 5000 characters."


READS: list[tuple[int, str, type[LumaError] | None]] = [
    (200, "", None),
    (301, "", AccountError),
    (302, "", StrangeAnswer),
    (400, "bad", RequestRefused),
    (401, "", AccountError),
    (401, "Invalid API key", AccountError),
    (402, "", AccountError),
    (403, "suspended", AccountError),
    (404, "Generation not found", RequestRefused),
    (404, "", StrangeAnswer),
    (408, "", Unavailable),
    (418, "", StrangeAnswer),
    (425, "", Unavailable),
    (429, "slow down", Unavailable),
    (500, "", Unavailable),
    (503, "", Unavailable),
]


@pytest.mark.parametrize(("status", "detail", "kind"), READS)
def test_answers_to_a_question(status: int, detail: str, kind: type[LumaError] | None) -> None:
    error = refused_read(answer(status, detail), detail)
    assert (type(error) if error else None) is kind


def test_a_firewalls_page_is_about_one_request_not_the_account() -> None:
    page = httpx.Response(403, html="<h1>Blocked</h1>")
    assert isinstance(refused_create(page, ""), RequestRefused)
    assert isinstance(refused_read(page, ""), StrangeAnswer)


NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("-3", 0.0),
        (" 12 ", 12.0),
        (format_datetime(datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC), usegmt=True), 30.0),
        (format_datetime(datetime(2026, 5, 1, 11, 0, 0, tzinfo=UTC), usegmt=True), 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Fri, 99 Foo 2026 12:00:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(answer(429, retry_after=value), lambda: NOW) == seconds


def test_no_retry_after() -> None:
    assert retry_after(answer(429)) is None


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"detail": "Invalid API key luma-123"}', "Invalid API key …"),
        (b'{"detail": [{"msg": "Field required"}, {"msg": "too long"}, 3]}', "Field required; too long"),
        (b'{"detail": 7}', ""),
        (b'{"detail": "' + b"x" * 5000 + b'"}', "x" * 199 + "…"),
        (b"[]", ""),
        (b"<html>", ""),
        (b"", ""),
        (b"\xff\xfe\x00", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_details_are_short_and_without_the_key(body: bytes, detail: str) -> None:
    assert detail_of(httpx.Response(400, content=body), "luma-123") == detail


@pytest.mark.parametrize("body", [b"", b"<html></html>", b'{"id": "a', b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_a_strange_answer(body: bytes) -> None:
    with pytest.raises(StrangeAnswer, match="HTTP 200"):
        json_of(httpx.Response(200, content=body))
