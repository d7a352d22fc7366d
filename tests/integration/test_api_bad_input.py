"""Bad input: each a 4xx problem with one clear sentence, nothing stored, nothing spent, no trace."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlmodel import func, select

from api.database import Database
from api.models import AttemptRow, GenerationJob, OutboxRow, SceneRow, Video
from api.problems import CODES
from tests.integration.jobs_made import SCRIPT

LONG = "word " * 4001  # one over the cap of 20,000 characters
NUL, HALF = "\0", "\ud83d"
SCENE = {"description": "A lamp"}
JSON = {"Content-Type": "application/json"}


def problem_of(answer: httpx.Response, status: int, code: str) -> str:
    """Check that the answer is this problem, and give back its sentence."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    detail: str = body["detail"]
    assert body["error"] == detail
    assert body["code"] == code
    assert code in CODES
    assert body["status"] == status
    assert body["requestId"] == answer.headers["x-request-id"]
    assert detail[0].isupper() or detail[0] == "“", detail
    assert detail.endswith("."), detail
    assert "\n" not in detail
    assert not any(word in answer.text for word in ("Traceback", "Error:", "pydantic", "sqlalchemy", "site-packages"))
    return detail


async def rows(database: Database) -> int:
    """How many rows the ledger holds altogether."""
    tables = (GenerationJob, SceneRow, AttemptRow, OutboxRow, Video)
    async with database.reading() as session:
        return sum([(await session.exec(select(func.count()).select_from(table))).one() for table in tables])


@pytest.fixture(autouse=True)
async def _nothing_stored(database: Database, client: httpx.AsyncClient) -> AsyncIterator[None]:
    yield
    assert await rows(database) == 0


BAD_FILMS: list[tuple[str, dict[str, Any], str]] = [
    ("no script", {}, "“script” is missing."),
    ("null", {"script": None}, "“script” must be text."),
    ("number", {"script": 7}, "“script” must be text."),
    ("list", {"script": [SCRIPT]}, "“script” must be text."),
    ("short", {"script": "Once upon a time."}, "at least 60 characters are needed, this one has 17"),
    ("blank", {"script": " " * 500}, "this one has 0"),
    ("short after trim", {"script": " " * 30 + "a" * 59 + "\n" * 30}, "this one has 59"),
    ("over the cap", {"script": LONG}, "at most 20,000 characters"),
    ("NUL", {"script": SCRIPT + NUL}, "“script” holds a NUL character"),
    ("surrogate", {"script": SCRIPT + HALF}, "“script” holds half of a character"),
    ("NUL in title", {"script": SCRIPT, "title": "a" + NUL}, "“title” holds a NUL character"),
    ("surrogate in title", {"script": SCRIPT, "title": HALF}, "“title” holds half of a character"),
    ("long title", {"script": SCRIPT, "title": "t" * 201}, "“title” may have at most 200 characters."),
    ("title no text", {"script": SCRIPT, "title": 5}, "“title” must be text."),
    ("model", {"script": SCRIPT, "options": {"model": "sora"}}, "“options.model” must be 'ray-2' or 'ray-flash-2'."),
    ("ratio", {"script": SCRIPT, "options": {"aspectRatio": "5:4"}}, "“options.aspectRatio” must be '1:1'"),
    ("duration", {"script": SCRIPT, "options": {"duration": 7}}, "“options.duration” must be '5s' or '9s'."),
    ("resolution", {"script": SCRIPT, "options": {"resolution": "8k"}}, "“options.resolution” must be"),
    ("style", {"script": SCRIPT, "options": {"style": "cubist"}}, "nknown style 'cubist'"),
    ("option", {"script": SCRIPT, "options": {"fps": 60}}, "“options.fps” is not known here."),
    ("options no object", {"script": SCRIPT, "options": [1]}, "“options” must be a JSON object."),
    ("no scenes allowed", {"script": SCRIPT, "options": {"maxScenes": 0}}, "“options.maxScenes” must be at least 1."),
    ("scenes allowed", {"script": SCRIPT, "options": {"maxScenes": 41}}, "“options.maxScenes” may be at most 40."),
    ("huge number", {"script": SCRIPT, "options": {"maxScenes": 10**30}}, "“options.maxScenes” may be at most 40."),
    ("NUL in setting", {"script": SCRIPT, "options": {"setting": NUL}}, "“options” holds a NUL character"),
    ("no scenes", {"script": SCRIPT, "storyboard": []}, "“storyboard” must hold at least 1."),
    ("empty prompt", {"script": SCRIPT, "storyboard": [{"prompt": "  "}]}, "scene needs a prompt or a description"),
    ("long prompt", {"script": SCRIPT, "storyboard": [{"prompt": "p" * 5001}]}, "“storyboard.0.prompt” may have at"),
    ("too many scenes", {"script": SCRIPT, "storyboard": [SCENE] * 41}, "hold at most 40, and this holds 41."),
    ("NUL in scene", {"script": SCRIPT, "storyboard": [{"prompt": "abc" + NUL}]}, "“storyboard” holds a NUL character"),
    ("half in scene", {"script": SCRIPT, "storyboard": [{"description": HALF * 9}]}, "“storyboard” holds half of a"),
    ("span too far", {"script": SCRIPT, "storyboard": [SCENE | {"end": 10**40}]}, "“storyboard.0.end” may be at most"),
    ("span before it", {"script": SCRIPT, "storyboard": [SCENE | {"start": -1}]}, "“storyboard.0.start” must be at"),
    ("scene no object", {"script": SCRIPT, "storyboard": ["a scene"]}, "“storyboard.0” must be a JSON object."),
]  # fmt: skip
BAD_COSTS = [
    ("free", 0, "“maxCostUsd” must be more than 0."),
    ("negative", -1, "“maxCostUsd” must be more than 0."),
    ("more than counts", 2_000.01, "“maxCostUsd” may be at most 2000."),
    ("beyond all money", 1e300, "“maxCostUsd” may be at most 2000."),
    ("word", "much", "“maxCostUsd” must be a number."),
    ("too cheap", 0.01, "more than the $0.01 you allow."),
]


@pytest.mark.parametrize("path", ["/api/generate", "/api/storyboard", "/api/generate-video"])
async def test_a_bad_film_is_refused(client: httpx.AsyncClient, path: str, subtests: pytest.Subtests) -> None:
    for what, body, says in BAD_FILMS:
        if path == "/api/storyboard" and what in ("long title", "title no text"):
            continue  # a plan has no title
        with subtests.test(what):
            answer = await client.post(path, content=json.dumps(body), headers=JSON)
            assert says in problem_of(answer, 422, "invalid_request")


async def test_a_bad_limit_of_cost_is_refused(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for what, cost, says in BAD_COSTS:
        with subtests.test(what):
            answer = await client.post("/api/generate", json={"script": SCRIPT, "maxCostUsd": cost})
            assert says in problem_of(answer, 422, "over_max_cost" if what == "too cheap" else "invalid_request")


INVALID, MALFORMED, UNDECLARED = (422, "invalid_request"), (400, "malformed_body"), (415, "unsupported_media_type")
GOOD = json.dumps({"script": SCRIPT}).encode()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}
NO_NUMBER = "“maxCostUsd” holds a number that is too large or none at all."
BAD_BODIES: list[tuple[str, bytes, dict[str, str], tuple[int, str], str]] = [
    ("empty", b"", JSON, INVALID, "The body is missing."),
    ("not JSON", b"script=hello", JSON, MALFORMED, "The body is not valid JSON."),
    ("cut off", b'{"script": "abc', JSON, MALFORMED, "The body is not valid JSON."),
    ("not UTF-8", b'{"script": "\xff\xfe"}', JSON, MALFORMED, "The body can't be read as JSON."),
    ("a list", b"[]", JSON, INVALID, "The body must be a JSON object."),
    ("a string", b'"abc"', JSON, INVALID, "The body must be a JSON object."),
    ("null", b"null", JSON, INVALID, "The body is missing."),
    ("nested", b'{"script":' + b"[" * 100_000, JSON, MALFORMED, "The body can't be read as JSON."),
    ("deep", b'{"x":' + b"[" * 100 + b"]" * 100 + b"}", JSON, INVALID, "“x” is nested more than 60 levels deep."),
    ("endless digits", b'{"script":' + b"9" * 5000 + b"}", JSON, MALFORMED, "The body can't be read as JSON."),
    ("infinity", b'{"maxCostUsd": 1e999}', JSON, INVALID, NO_NUMBER),
    ("NaN", b'{"maxCostUsd": NaN}', JSON, INVALID, NO_NUMBER),
    ("a form", b"script=hello", FORM, UNDECLARED, "application/json"),
    ("as text", GOOD, TEXT, UNDECLARED, "application/json"),
    ("undeclared", GOOD, {}, UNDECLARED, "application/json"),
    ("too large", b'{"script":"' + b"a" * 262_144, JSON, (413, "body_too_large"), "larger than 256 KiB"),
    ("field with NUL", b'{"a\\u0000": 1}', JSON, INVALID, "The name of a field holds a NUL"),
    ("a field twice", GOOD[:-1] + b', "script": "short"}', JSON, INVALID, "this one has 5"),
]


@pytest.mark.parametrize("path", ["/api/generate", "/api/generate-video", "/api/storyboard"])
async def test_a_bad_body_is_refused(client: httpx.AsyncClient, path: str, subtests: pytest.Subtests) -> None:
    for what, content, headers, (status, code), says in BAD_BODIES:
        with subtests.test(what):
            answer = await client.post(path, content=content, headers=headers)
            assert says in problem_of(answer, status, code)


@pytest.mark.parametrize("path", ["/api/generate", "/api/videos"])
async def test_a_body_without_a_length_is_cut_off_at_the_limit(client: httpx.AsyncClient, path: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"script":"'
        while sent < 50_000_000:
            sent += 65536
            yield b"a" * 65536

    answer = await client.post(path, content=endless(), headers=JSON)
    assert "256 KiB" in problem_of(answer, 413, "body_too_large")
    assert sent <= 6 * 65536  # nothing more was read


async def test_a_bad_idempotency_key_is_refused(client: httpx.AsyncClient) -> None:
    for key in ("", "k" * 256, "schlüssel", "tab\there"):
        headers = [("Idempotency-Key", key.encode("latin-1"))]
        answer = await client.post("/api/generate", json={"script": SCRIPT}, headers=headers)  # type: ignore[arg-type]
        assert "1 to 255 printable" in problem_of(answer, 422, "invalid_request")


JOB_PATHS = [
    ("GET", "/api/job/{}"),
    ("GET", "/api/job/{}/events"),
    ("GET", "/api/job/{}/script"),
    ("POST", "/api/job/{}/cancel"),
    ("POST", "/api/job/{}/retry"),
    ("POST", "/api/job/{}/scenes/1/regenerate"),
    ("POST", f"/api/job/{{}}/scenes/1/takes/{uuid4()}/choose"),
]


async def test_a_job_that_is_not_there(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for job_id in ("1", "not-an-id", str(uuid4()), "%00", "ü", "{}", "a" * 2000):
        for method, path in JOB_PATHS:
            with subtests.test(f"{method} {path} {job_id[:40]}"):
                answer = await client.request(method, path.replace("{}", job_id))
                assert problem_of(answer, 404, "job_not_found") == "Job not found."


async def test_a_video_that_is_not_there(client: httpx.AsyncClient) -> None:
    for video_id in ("1", str(uuid4()), "%00"):
        for method in ("GET", "DELETE"):
            answer = await client.request(method, f"/api/videos/{video_id}")
            assert problem_of(answer, 404, "video_not_found") == "Video not found."


BAD_VIDEOS: list[tuple[object, str]] = [
    ({"title": "a\0"}, "“title” holds a NUL"),
    ({"script": HALF}, "“script” holds half"),
    ({"generationId": NUL}, "“generationId” holds a NUL"),
    ({"videoData": {"deep": [{"er": "x" + NUL}]}}, "“videoData” holds a NUL"),
    ({"storyboard": {"k" + HALF: 1}}, "The name of a field holds half"),
    ({"videoUrl": "javascript:alert(1)"}, "“videoUrl” must be a web address"),
    ({"status": "s" * 41}, "“status” may have at most 40 characters."),
    ([], "The body must be a JSON object."),
]


async def test_a_bad_video_is_refused(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for body, says in BAD_VIDEOS:
        with subtests.test(says):
            answer = await client.post("/api/videos", content=json.dumps(body), headers=JSON)
            assert says in problem_of(answer, 422, "invalid_request")


BAD_PAGES = [
        "cursor=x", "cursor=%00", "cursor=" + "A" * 100, "limit=0", "limit=101", "limit=many",
        "cursor=MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMCAwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA",  # in year 0
]  # fmt: skip


@pytest.mark.parametrize("path", ["/api/jobs", "/api/videos"])
async def test_a_bad_page_is_refused(client: httpx.AsyncClient, path: str) -> None:
    for query in BAD_PAGES:
        problem_of(await client.get(f"{path}?{query}"), 422, "invalid_request")


async def test_a_bad_search_is_refused(client: httpx.AsyncClient) -> None:
    assert "NUL" in problem_of(await client.get("/api/videos?search=%00"), 422, "invalid_request")
    problem_of(await client.get("/api/videos?search=" + "a" * 201), 422, "invalid_request")
    assert (await client.get("/api/videos?search=%ff%25_'")).status_code == 200


async def test_addresses_and_methods_that_are_not_there(client: httpx.AsyncClient) -> None:
    problem_of(await client.get("/api/nothing"), 404, "not_found")
    problem_of(await client.put("/api/jobs"), 405, "method_not_allowed")
