"""What goes over the wire: the request we send, the generation Luma tells us of. Parsing forgives what it can."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self, TypeGuard

from tasks.luma.errors import StrangeAnswer, brief
from tasks.options import VideoOptions

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,199}")
_FOREIGN: Final = ("keyframes", "concepts")  # request members that we never send


class GenerationState(StrEnum):
    """Where a generation stands at Luma."""

    QUEUED = "queued"
    DREAMING = "dreaming"
    COMPLETED = "completed"
    FAILED = "failed"
    UNRECOGNISED = "unrecognised"
    """A word we don't know: taken as still running."""

    @property
    def ended(self) -> bool:
        """Nothing more will happen to it."""
        return self in {GenerationState.COMPLETED, GenerationState.FAILED}


_STATES: Final = {
    "queued": GenerationState.QUEUED,
    "dreaming": GenerationState.DREAMING,
    "processing": GenerationState.DREAMING,  # the Agents API's word
    "completed": GenerationState.COMPLETED,
    "failed": GenerationState.FAILED,
}


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """All that decides what a generation shows and costs."""

    prompt: str
    model: str
    aspect_ratio: str
    resolution: str
    duration: str
    loop: bool

    @classmethod
    def of(cls, prompt: str, options: VideoOptions) -> Self:
        """The request for one scene of a film."""
        return cls(
            prompt=prompt,
            model=options.model.value,
            aspect_ratio=options.aspect_ratio.value,
            resolution=options.resolution.value,
            duration=options.duration.value,
            loop=options.loop,
        )

    @classmethod
    def from_body(cls, body: Mapping[str, object]) -> Self:
        """The request that has this body; ValueError names what is missing or of the wrong kind."""
        words = {}
        for name in ("prompt", "model", "aspect_ratio", "resolution", "duration"):
            value = body.get(name)
            if not isinstance(value, str):
                raise ValueError(f"the request of a generation needs a text as {name!r}")
            words[name] = value
        loop = body.get("loop", False)
        if not isinstance(loop, bool):
            raise ValueError("the request of a generation needs true or false as 'loop'")
        return cls(**words, loop=loop)

    def body(self) -> dict[str, object]:
        """The POST's body without its callback address."""
        return {
            "prompt": self.prompt,
            "model": self.model,
            "aspect_ratio": self.aspect_ratio,
            "resolution": self.resolution,
            "duration": self.duration,
            "loop": self.loop,
        }

    def echoed_by(self, echo: Mapping[str, Any]) -> bool:
        """Whether Luma's echo of a request is this one: same words, and no option that says otherwise.

        An option the echo leaves out doesn't contradict; spaces and Unicode forms of the prompt may be normalised.
        """
        prompt = echo.get("prompt")
        if not isinstance(prompt, str) or _plain(prompt) != _plain(self.prompt):
            return False
        ours = self.body()
        options = (name for name in ours if name != "prompt")
        return all(echo.get(name) in (None, ours[name]) for name in options) and not any(map(echo.get, _FOREIGN))


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


@dataclass(frozen=True)
class Generation:
    """Luma's job, as it stands at one moment."""

    id: str
    state: GenerationState
    created_at: datetime | None = None
    """UTC, by Luma's clock."""
    video_url: str | None = None
    image_url: str | None = None
    failure_reason: str | None = None
    request: dict[str, Any] = field(default_factory=dict)
    """The request as Luma echoes it."""
    callback_url: str | None = None
    model: str | None = None


def parse_generation(data: object, *, asked: str | None = None) -> Generation:
    """A generation from its JSON; `asked`: the id it was asked for. StrangeAnswer: it has no usable id, or another.

    Everything else may be missing, new or of the wrong kind, and then counts as not told.
    """
    if not isinstance(data, Mapping):
        raise StrangeAnswer("Luma's answer is not a generation.")
    told = asked if data.get("id") is None else data["id"]
    if not is_generation_id(told) or (asked is not None and told != asked):
        raise StrangeAnswer(f"Luma's answer has not the id of a generation: {brief(repr(told), 60)}.")
    assets, request = _mapping(data.get("assets")), _mapping(data.get("request"))
    return Generation(
        id=told,
        state=_STATES.get(_text(data.get("state")) or "", GenerationState.UNRECOGNISED),
        created_at=_moment(data.get("created_at")),
        video_url=_address(assets.get("video")),
        image_url=_address(assets.get("image")),
        failure_reason=_text(data.get("failure_reason")),
        request=dict(request),
        callback_url=_text(request.get("callback_url")),
        model=_text(data.get("model")) or _text(request.get("model")),
    )


def is_generation_id(value: object) -> TypeGuard[str]:
    """Whether this can be an id in an address of Luma's."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _address(value: object) -> str | None:
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else None


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment and (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
