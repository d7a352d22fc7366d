"""Log lines: one event a line, with the ids of what it belongs to, and without what must stay secret.

Ids are bound where work enters (a request, a run, a scene), so that calls stay plain: `log.info("…")`. A line never
holds the API key, a callback's token, an address's query or words of a script: what libraries say passes through
`redacted`, and errors are told by type, code and place.
"""

import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

import orjson

from tasks.settings import Settings

OURS: Final = ("storyreel", "deployments")
FIELDS: Final = (
    "request", "job", "scene", "attempt", "flow_run", "task_run", "generation", "code",
    "method", "route", "status", "ms",
)  # fmt: skip
"""What may stand beside an event, bound or given as `extra`; anything else that libraries attach is left out."""
_RENAMED: Final = {"flow_run_id": "flow_run", "task_run_id": "task_run"}
_SHORTEST_SECRET: Final = 8  # characters; a shorter one would cut words out of sentences
_MOST_CAUSES: Final = 8
_LONGEST: Final = 300  # characters of what an error says

_bound: ContextVar[Mapping[str, object]] = ContextVar("storyreel_log_fields", default=MappingProxyType({}))


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Every line until the block ends carries these ids, also those of tasks begun in it."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def forget() -> None:
    """In a task that serves many: carry no ids of whoever happened to begin it."""
    _bound.set(MappingProxyType({}))


def set_up(settings: Settings, stream: TextIO | None = None) -> None:
    """Write this process's log to `stream` (standard error), once; libraries are heard from warnings on."""
    root = logging.getLogger()
    if any(isinstance(handler.formatter, Lines) for handler in root.handlers):
        return
    logging.raiseExceptions = False  # Prefect's handler would print between our lines whenever its server is away
    handler = logging.StreamHandler(stream or sys.stderr)
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not handler.stream.isatty())
    handler.setFormatter(Lines(settings.secrets(), as_json=as_json))
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(settings.log_level)


def take_over(*names: str) -> None:
    """Hear loggers that a library has given handlers of their own as all others are."""
    for logger in map(logging.getLogger, names):
        logger.handlers.clear()
        logger.propagate = True


class Lines(logging.Formatter):
    """A record as one line: JSON for machines, or a sentence with its ids behind it for a terminal."""

    def __init__(self, secrets: Iterable[str] = (), *, as_json: bool = True) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line = {name: self._safe(value) for name, value in _line(record).items()}
        return orjson.dumps(line, default=str).decode() if self._as_json else _sentence(line)

    def _safe(self, value: object) -> object:
        if isinstance(value, list):
            return [self._safe(part) for part in value]
        return redacted(value, self._secrets) if isinstance(value, str) else value


def _line(record: logging.LogRecord) -> dict[str, object]:
    moment = datetime.fromtimestamp(record.created, UTC)
    line: dict[str, object] = {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": record.getMessage() if record.name.partition(".")[0] in OURS else _of_library(record),
    }
    given = {**_bound.get()} | {_RENAMED.get(name, name): value for name, value in record.__dict__.items()}
    line |= {name: _plain(given[name]) for name in FIELDS if given.get(name) is not None}
    if record.exc_info and record.exc_info[1]:
        line |= _failure(record.exc_info[1])
    return line


def _plain(value: object) -> object:
    return value if isinstance(value, int | float) else str(value)


def _sentence(line: Mapping[str, Any]) -> str:
    behind = [f"{name}={line[name]}" for name in (*FIELDS, "error") if name in line]
    places = [f"at {' < '.join(line['traceback'])}"] if line.get("traceback") else []
    said = " ".join(str(line["event"]).split())
    return " ".join([line["time"], line["level"].upper(), f"{line['logger']}: {said}", *behind, *places])


# What libraries say

_TOKEN: Final = re.compile(r"(/luma/callback/)[^{\s\"'<>?#\\]+")
_ADDRESS: Final = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s\"'<>/@]*@)?([^\s\"'<>?#]*)[?#]?[^\s\"'<>]*")
_BEARER: Final = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+")
_QUOTED: Final = re.compile(r"\b([A-Z]\w+)\([^\"']*([\"']).*\2[^)]*\)", re.DOTALL)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets, callback tokens, credentials, and the queries of addresses."""
    for secret in secrets:
        text = text.replace(secret, "…")
    if "/" in text:
        text = _TOKEN.sub(r"\1…", _ADDRESS.sub(r"\1\2", text))
    return _BEARER.sub(r"\1 …", text)


def _of_library(record: logging.LogRecord) -> str:
    """A library's sentence without what states and errors say in it, nor a run's name: a script's first words."""
    said, name = record.getMessage(), getattr(record, "flow_run_name", None)
    if name:
        said = said.replace(repr(name), "").replace(name, "").replace("  ", " ")
    return _QUOTED.sub(r"\1", said)


def _failure(error: BaseException) -> dict[str, object]:
    """What went wrong, the cause last, and where, the innermost last: no values, which may be anything."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < _MOST_CAUSES:
        chain.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    places = [place for one in reversed(chain) for place in _places(one)]
    return {"error": " < ".join(map(said, chain)), "traceback": places}


def _places(error: BaseException) -> list[str]:
    frame, found = error.__traceback__, []
    while frame is not None:
        code = frame.tb_frame.f_code
        found.append(f"{code.co_filename}:{frame.tb_lineno} {code.co_name}")
        frame = frame.tb_next
    return found


def said(error: BaseException) -> str:
    """An error in one line: its type, and its code or, unless its kind quotes what it was given, what it says."""
    name = type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        return f"{name}({', '.join(map(said, error.exceptions))})"
    code = getattr(error, "code", None)
    if isinstance(code, str) and type(error).__module__.startswith("tasks."):  # its message may quote Luma
        return f"{name}: {code}"
    if isinstance(error, ValueError | LookupError):
        return name
    first = next(iter(str(error).splitlines()), "")[:_LONGEST]
    return f"{name}: {first}" if first else name
