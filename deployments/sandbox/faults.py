"""Scripted faults: what may go wrong, on which call, and the prompt markers by which people ask for it.

A fault belongs to one of three phases: it spoils the *answer* to a request, the *plan* of a generation, or its
*callbacks*. Faults are tried in the order they were added; of those that spoil an answer only the first strikes a call.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.sandbox.prompts import subject

Wire = Literal["dream-machine", "agents"]
Operation = Literal["create", "get", "list", "delete", "credits", "ping", "asset"]
Phase = Literal["answer", "plan", "callback"]


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"  # answer with `status`, `detail` or `body`, and `headers`
    HTML = "html"  # a proxy's page instead of JSON
    EMPTY = "empty"  # no body at all
    MALFORMED = "malformed"  # JSON that stops in the middle
    DROP = "drop"  # the connection breaks without an answer
    LATE = "late"  # the right answer, `seconds` later
    FAIL = "fail"  # the generation fails with `reason` or `code`
    MODERATE = "moderate"  # the same, for what it shows
    STALL = "stall"  # it never ends
    SLOW = "slow"  # it takes `seconds`
    UNKNOWN_STATE = "unknown-state"  # `state` instead of dreaming or processing
    NO_ASSETS = "no-assets"  # completed, and nothing to fetch
    CALLBACK_DROP = "callback-drop"  # none is sent
    CALLBACK_DOUBLE = "callback-double"  # each is sent twice
    CALLBACK_LATE = "callback-late"  # each is sent `seconds` late
    CALLBACK_EARLY = "callback-early"  # "completed" is sent while the generation still runs
    CALLBACK_FORGED = "callback-forged"  # someone else sends a "completed" of a foreign generation


PLAN: Final = frozenset(FaultKind(kind) for kind in ("fail", "moderate", "stall", "slow", "unknown-state", "no-assets"))

DETAILS: Final = {
    401: "Invalid API key",
    402: "Insufficient credits",
    403: "API client is suspended",
    404: "Generation not found",
    429: "Rate limit exceeded",
    500: "Internal server error",
    502: "Upstream service unavailable",
    503: "Upstream service unavailable",
}


class Fault(BaseModel):
    """One scripted fault: what, where and how often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    wire: Annotated[Wire | None, Field(description="Only on this wire.")] = None
    operation: Annotated[Operation | None, Field(description="Only on this call; for faults of the answer.")] = None
    prompt: Annotated[str | None, Field(description="Only where the scene's own words contain this.")] = None
    nth: Annotated[int, Field(ge=1, description="The first matching call that is struck.")] = 1
    times: Annotated[int | None, Field(ge=1, description="How many are struck from there on; null: all.")] = 1
    carried_out: Annotated[bool, Field(description="Whether the request takes effect before its answer is spoilt.")] = (
        False
    )
    status: Annotated[int, Field(ge=200, le=599)] = 503
    detail: str | None = None
    body: Annotated[str | None, Field(description="The whole body, instead of a `detail`.")] = None
    headers: dict[str, str] = {}
    seconds: Annotated[float, Field(ge=0)] = 30.0
    reason: str | None = None
    code: str | None = None
    state: str = "reviewing"

    @cached_property
    def phase(self) -> Phase:
        """What the fault spoils."""
        if self.kind in PLAN:
            return "plan"
        return "callback" if self.kind.startswith("callback-") else "answer"

    def matches(self, phase: Phase, wire: Wire, operation: Operation, prompt: str) -> bool:
        """Whether the fault concerns this call at all."""
        return (
            self.phase == phase
            and self.wire in (None, wire)
            and (phase != "answer" or self.operation in (None, operation))
            and (self.prompt is None or self.prompt in prompt)
        )


@dataclass(frozen=True, slots=True)
class Marker:
    """A word in brackets that asks for a fault; `argument` is the field that `[word:value]` sets."""

    fault: Fault
    argument: Literal["times", "seconds"] | None
    meaning: str

    def asked(self, value: str) -> Fault:
        """The fault with its argument set; an empty value leaves it as it is."""
        if not value or self.argument is None:
            return self.fault
        number = max(1, int(float(value))) if self.argument == "times" else float(value)
        return self.fault.model_copy(update={self.argument: number})


def _marker(meaning: str, argument: Literal["times", "seconds"] | None = "times", **fault: object) -> Marker:
    return Marker(Fault.model_validate({"times": None, **fault}), argument, meaning)


MARKERS: Final[dict[str, Marker]] = {
    "fail": _marker("the generation fails and is refunded; [fail:1] only the first time", kind="fail"),
    "moderate": _marker("the generation is refused by moderation and refunded", kind="moderate"),
    "stall": _marker("the generation never ends", None, kind="stall"),
    "slow": _marker("the generation takes 30 s; [slow:90] 90 s", "seconds", kind="slow"),
    "lost": _marker(
        "the create begins a generation, but its answer is lost", kind="drop", operation="create",
        carried_out=True, times=1,
    ),
    "drop": _marker("the connection breaks before anything is begun", kind="drop", operation="create", times=1),
    "late": _marker("the create answers 5 s late; [late:20] 20 s", "seconds", kind="late", operation="create",
                    seconds=5),
    "429": _marker(
        "the create is refused once; [429:3] three times", kind="status", operation="create",
        status=429, headers={"Retry-After": "1"}, times=1,
    ),
    "401": _marker("creates are refused: invalid key", kind="status", operation="create", status=401),
    "402": _marker("creates are refused: no credits", kind="status", operation="create", status=402),
    "403": _marker("creates are refused: suspended", kind="status", operation="create", status=403),
    "502": _marker(
        "the create begins a generation and answers 502", kind="status", operation="create", status=502,
        carried_out=True, times=1,
    ),
    "5xx": _marker("a poll answers 503; [5xx:3] three polls", kind="status", operation="get", times=1),
    "html": _marker("a poll answers with a page", kind="html", operation="get", status=200, times=1),
    "empty": _marker("a poll answers with nothing", kind="empty", operation="get", status=200, times=1),
    "malformed": _marker("a poll's JSON is cut off", kind="malformed", operation="get", status=200, times=1),
    "unknown-state": _marker("the generation passes through a state nobody knows", None, kind="unknown-state"),
    "no-assets": _marker("completed, but without assets", kind="no-assets"),
    "gone": _marker("a download answers 404", kind="status", operation="asset", status=404, times=1),
    "expired": _marker("a download answers 403, as an expired URL does", kind="status", operation="asset", status=403,
                       times=1),
    "callback-drop": _marker("no callbacks", kind="callback-drop"),
    "callback-double": _marker("every callback twice", kind="callback-double"),
    "callback-late": _marker("callbacks 30 s late; [callback-late:5] 5 s", "seconds", kind="callback-late"),
    "callback-early": _marker("a callback says completed too early", kind="callback-early"),
    "callback-forged": _marker("a forged callback beside the real ones", kind="callback-forged"),
}  # fmt: skip

_BRACKETS: Final = re.compile(r"\[([a-z0-9-]+)(?::(\d{1,6}(?:\.\d{1,3})?))?\]", re.IGNORECASE)


def marked(prompt: str) -> list[Fault]:
    """The faults that a scene's own markers ask for; words that are no marker are left alone."""
    found = [(MARKERS.get(word.lower()), value) for word, value in _BRACKETS.findall(prompt)]
    return [marker.asked(value) for marker, value in found if marker and (not value or marker.argument)]


@dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = 0
    struck: int = 0

    def strikes(self) -> bool:
        """Count one matching call, and say whether it is struck."""
        self.seen += 1
        due = self.seen >= self.fault.nth and (self.fault.times is None or self.struck < self.fault.times)
        self.struck += due
        return due


class FaultBook:
    """The faults in force: those of the admin API for all calls, and those of markers for their own prompt."""

    def __init__(self) -> None:
        self._scripted: list[_Armed] = []
        self._marked: dict[str, list[_Armed]] = {}

    def add(self, fault: Fault) -> None:
        """Put one fault in force."""
        self._scripted.append(_Armed(fault))

    def clear(self) -> None:
        """Take all scripted faults out of force, and let markers count anew."""
        self._scripted.clear()
        self._marked.clear()

    def spoiling(self, wire: Wire, operation: Operation, prompt: str) -> Fault | None:
        """The fault that strikes the answer to this call, if one does."""
        return next((a.fault for a in self._matching("answer", wire, operation, prompt) if a.strikes()), None)

    def altering(self, wire: Wire, prompt: str) -> list[Fault]:
        """The faults that strike a new generation's plan."""
        return [a.fault for a in self._matching("plan", wire, "create", prompt) if a.strikes()]

    def calling(self, wire: Wire, prompt: str) -> list[Fault]:
        """The faults that strike a new generation's callbacks."""
        return [a.fault for a in self._matching("callback", wire, "create", prompt) if a.strikes()]

    def as_json(self) -> list[dict[str, object]]:
        """The scripted faults and how often each was met."""
        return [{**a.fault.model_dump(mode="json"), "seen": a.seen, "struck": a.struck} for a in self._scripted]

    def _matching(self, phase: Phase, wire: Wire, operation: Operation, prompt: str) -> list[_Armed]:
        words = subject(prompt)
        armed = self._marked.get(words)
        if armed is None and (faults := marked(words)):
            armed = self._marked[words] = [_Armed(fault) for fault in faults]
        return [a for a in [*self._scripted, *(armed or ())] if a.fault.matches(phase, wire, operation, words)]
