"""Log lines: one event each, with ids, and nothing in them that must stay secret."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from sqlalchemy.exc import OperationalError

from tasks import logs
from tasks.luma import AccountError, GenerationFailed
from tasks.settings import Settings

KEY = "luma-0123456789abcdef"


def record(event: str, *args: object, name: str = "storyreel.test", **more: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": name, "levelname": "INFO", "msg": event, "args": args, "created": 0.5} | more)


def line(event: str, *args: object, **more: object) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(logs.Lines([KEY]).format(record(event, *args, **more)))
    return told


def failed(error: BaseException) -> dict[str, Any]:
    """The line that tells of an error which was raised here."""
    try:
        raise error
    except BaseException as raised:  # noqa: BLE001 - whatever it is
        return line("something failed", exc_info=(type(raised), raised, raised.__traceback__))


def test_a_line_is_one_json_object_with_time_level_logger_and_event() -> None:
    told = line("job is %s", "completed")
    head = {"time": "1970-01-01T00:00:00.500Z", "level": "info", "logger": "storyreel.test"}
    assert told == head | {"event": "job is completed"}
    assert "\n" not in logs.Lines().format(record("two\nlines"))


def test_a_line_for_a_terminal_is_one_sentence() -> None:
    shown = logs.Lines(as_json=False)
    with logs.bound(job="7", scene=2):
        told = shown.format(record("scene is\nfailed", code="luma_moderated"))
    assert told == "1970-01-01T00:00:00.500Z INFO storyreel.test: scene is failed job=7 scene=2 code=luma_moderated"


def test_ids_are_bound_for_a_block_and_for_the_tasks_begun_in_it() -> None:
    async def main() -> list[dict[str, Any]]:
        with logs.bound(job="7"):
            with logs.bound(scene=2):
                begun = asyncio.create_task(later())
            return [line("between"), await begun]

    async def later() -> dict[str, Any]:
        await asyncio.sleep(0)
        return line("later")

    between, later_on = asyncio.run(main())
    assert (between["job"], "scene" in between) == ("7", False)
    assert (later_on["job"], later_on["scene"]) == ("7", 2)
    assert "job" not in line("after")


def test_a_task_that_serves_many_carries_no_ids() -> None:
    async def serve() -> dict[str, Any]:
        logs.forget()
        return line("serving")

    async def main() -> tuple[dict[str, Any], dict[str, Any]]:
        with logs.bound(job="7"):
            return await asyncio.create_task(serve()), line("mine")

    serving, mine = asyncio.run(main())
    assert ("job" in serving, mine["job"]) == (False, "7")


def test_only_known_fields_stand_beside_an_event() -> None:
    told = line("done", job="7", flow_run_id="8", script="Once upon a time", flow_run_name="Once upon")
    assert set(told) == {"time", "level", "logger", "event", "job", "flow_run"}


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"Luma got {KEY}.", "Luma got …."),
        ("POST http://a.example/api/luma/callback/a-Token_1 200", "POST http://a.example/api/luma/callback/… 200"),
        ("at /api/luma/callback/{token}", "at /api/luma/callback/{token}"),
        (
            'GET https://cdn.example/clip.mp4?Signature=abc&Expires=1 "HTTP/1.1 200 OK"',
            'GET https://cdn.example/clip.mp4 "HTTP/1.1 200 OK"',
        ),
        ("<https://cdn.example/clip.mp4#t=1>", "<https://cdn.example/clip.mp4>"),
        ("postgresql+asyncpg://storyreel:secret@db:5432/films", "postgresql+asyncpg://db:5432/films"),
        ("Authorization: Bearer abc.def-1 was sent", "Authorization: Bearer … was sent"),
        ("3 of 4 scenes; is 7/8 left?", "3 of 4 scenes; is 7/8 left?"),
    ],
)  # fmt: skip
def test_secrets_are_taken_out_of_whatever_is_said(said: str, left: str) -> None:
    assert line(said.replace("%", "%%"))["event"] == left
    assert line("%s", said)["event"] == left


def test_short_secrets_do_not_cut_words_out_of_sentences() -> None:
    assert json.loads(logs.Lines(["none"]).format(record("none of it")))["event"] == "none of it"


class Script(BaseModel):
    script: int


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (GenerationFailed("blacklisted words: wombat"), "GenerationFailed: luma_moderated"),
        (AccountError("No credits.", code="luma_no_credits"), "AccountError: luma_no_credits"),
        (ValueError("'wombat' is not a number"), "ValueError"),
        (KeyError("wombat"), "KeyError"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (RuntimeError(f"{KEY} at https://x.example/a?b=wombat\nwombat"), "RuntimeError: … at https://x.example/a"),
        (
            OperationalError("SELECT 1", {"script": "wombat"}, Exception("locked"), hide_parameters=True),
            "OperationalError: (builtins.Exception) locked",
        ),
        (ExceptionGroup("wombat", [KeyError("wombat"), OSError("gone")]), "ExceptionGroup(KeyError, OSError: gone)"),
    ],
)
def test_errors_are_told_without_what_they_were_given(error: BaseException, told: str) -> None:
    found = failed(error)
    assert found["error"] == told
    assert "wombat" not in json.dumps(found)
    assert any(place.endswith(" failed") for place in found["traceback"])


def test_an_error_is_told_with_its_cause_and_both_their_places() -> None:
    def inner() -> None:
        Script.model_validate({"script": "wombat"})

    try:
        try:
            inner()
        except ValueError as cause:
            raise OSError("gone") from cause
    except OSError as raised:
        found = line("something failed", exc_info=(type(raised), raised, raised.__traceback__))
    assert found["error"] == "OSError: gone < ValidationError"
    assert [place.rpartition(" ")[2] for place in found["traceback"]][-1].startswith("test_an_error")
    assert any(place.endswith(" inner") for place in found["traceback"])


NAME = "Zebediah's wombat"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"Beginning flow run {NAME!r} for flow 'generate-video'", "Beginning flow run for flow 'generate-video'"),
        ("Finished in state Failed(\"None could be made: 'wombat' (no).\")", "Finished in state Failed"),
        ("Finished in state Completed()", "Finished in state Completed()"),
        (
            "Task run failed with exception: GenerationFailed('wombat') - Retry 1/6 will start 2 second(s) from now",
            "Task run failed with exception: GenerationFailed - Retry 1/6 will start 2 second(s) from now",
        ),
    ],
)
def test_prefects_own_lines_have_the_runs_id_instead_of_its_name_and_no_reasons(said: str, left: str) -> None:
    told = line(said, name="prefect.flow_runs", flow_run_name=NAME, flow_run_id="8")
    assert (told["event"], told["flow_run"]) == (left, "8")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, afterwards as it was."""
    found = [logging.getLogger(name) for name in (None, *logs.OURS)]
    handlers, levels = found[0].handlers[:], [one.level for one in found]
    yield found[0]
    found[0].handlers[:] = handlers
    for one, level in zip(found, levels, strict=True):
        one.setLevel(level)


@pytest.mark.parametrize(
    ("log_format", "stream", "as_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("json", Terminal, True),
        ("text", io.StringIO, False),
    ],
)
def test_the_format_follows_the_setting_and_by_default_the_stream(
    root: logging.Logger, log_format: Any, stream: type[io.StringIO], as_json: bool
) -> None:
    out = stream()
    logs.set_up(Settings(log_format=log_format, luma_api_key=SecretStr(KEY), _env_file=None), out)
    logging.getLogger("storyreel.test").info("the key is %s", KEY)
    assert out.getvalue().startswith("{") is as_json
    assert KEY not in out.getvalue()


def test_our_parts_are_heard_from_the_set_level_on_and_libraries_from_warnings_on(root: logging.Logger) -> None:
    out = io.StringIO()
    logs.set_up(Settings(log_level="DEBUG", _env_file=None), out)
    logs.set_up(Settings(log_level="ERROR", _env_file=None), io.StringIO())  # the first one counts
    for name in ("storyreel.test", "deployments.test", "aiosqlite", "httpx", "sqlalchemy.engine"):
        logging.getLogger(name).debug("debug of %s", name)
        logging.getLogger(name).warning("warning of %s", name)
    told = [json.loads(said)["event"].split(" of ") for said in out.getvalue().splitlines()]
    assert [name for level, name in told if level == "debug"] == ["storyreel.test", "deployments.test"]
    assert sum(level == "warning" for level, _ in told) == 5


def test_a_logger_with_handlers_of_its_own_is_heard_like_all_others(root: logging.Logger) -> None:
    stream, elsewhere = io.StringIO(), io.StringIO()
    library = logging.getLogger("a_library._internal")
    library.propagate = False
    library.addHandler(logging.StreamHandler(elsewhere))
    logs.set_up(Settings(log_format="json", _env_file=None), stream)  # type: ignore[call-arg]
    logs.take_over("a_library._internal")
    library.error("Service %r failed to process item %s", "EventsWorker", "Event(resource={'name': 'A secret story'})")
    told = json.loads(stream.getvalue())
    assert told["event"] == "Service 'EventsWorker' failed to process item Event"
    assert elsewhere.getvalue() == ""
