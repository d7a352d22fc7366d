"""From a script to a storyboard: what each clip shows, what Luma is told. Pure; any text has a storyboard."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from tasks.cutting import Cutter
from tasks.markers import read_markers
from tasks.options import MAX_PROMPT, MAX_SCRIPT, MIN_PROMPT, VideoOptions
from tasks.prompts import DEFAULT_SCENES, Look, look_of, tidy
from tasks.prose import read_characters, read_paragraphs, read_sentences
from tasks.reading import Reading
from tasks.screenplay import read_screenplay
from tasks.sentences import is_wrapped
from tasks.spans import Span, covering, readable


class Strategy(StrEnum):
    """How a storyboard came about, in the order of trying."""

    GIVEN = "given"
    SCREENPLAY = "screenplay"
    MARKERS = "markers"
    PARAGRAPHS = "paragraphs"
    SENTENCES = "sentences"
    CHARACTERS = "characters"
    DEFAULT = "default"


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Scene(_Wire):
    """One planned clip."""

    number: Annotated[int, Field(ge=1)]
    description: Annotated[str, Field(min_length=1, description="The scene's words, as captions show them.")]
    prompt: Annotated[str, Field(min_length=MIN_PROMPT, max_length=MAX_PROMPT, description="What Luma is told.")]
    start: Annotated[int | None, Field(description="First character of the scene's span of the script.")] = None
    end: Annotated[int | None, Field(description="One past its last character.")] = None
    duration_seconds: Annotated[float, Field(gt=0)]


class SceneDraft(_Wire):
    """One scene of a storyboard that the caller gives, as it comes back from editing; what else it has is ignored."""

    description: str | None = None
    prompt: Annotated[str | None, Field(max_length=MAX_PROMPT)] = None
    start: Annotated[int | None, Field(ge=0, le=MAX_SCRIPT)] = None
    end: Annotated[int | None, Field(ge=0, le=MAX_SCRIPT)] = None

    @field_validator("description", "prompt")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        if value and "\0" in value:
            raise ValueError("a scene's text holds a NUL character")
        return (value or "").strip() or None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.prompt and not self.description:
            raise ValueError("a scene needs a prompt or a description")
        if self.prompt and len(self.prompt) < MIN_PROMPT:
            raise ValueError(f"a prompt needs at least {MIN_PROMPT} characters")
        return self


class PassedOver(_Wire):
    """Why a strategy that comes earlier did not cut the script."""

    strategy: Strategy
    reason: str


class Storyboard(_Wire):
    """The planned scenes, and how they came about."""

    strategy: Strategy
    passed_over: tuple[PassedOver, ...]
    style: str
    setting: str | None
    scenes: tuple[Scene, ...]


def make_storyboard(script: str, options: VideoOptions, given: Sequence[SceneDraft] = ()) -> Storyboard:
    """The scenes of a script: those the caller gives, or else cut by the first strategy that finds something to cut."""
    text, clip = readable(script), 1000 * options.duration.seconds
    passed_over = [PassedOver(strategy=Strategy.GIVEN, reason="No storyboard was given.")]
    prose = Cutter(text, clip, options.max_scenes)
    for strategy, reading in _readings(text, prose):
        if isinstance(reading, str):
            passed_over.append(PassedOver(strategy=strategy, reason=reading))
            continue
        cutter = prose if reading.text == text else Cutter(reading.text, clip, options.max_scenes)
        pieces = cutter.cut(reading)
        look = look_of(options, reading, cutter.opening(pieces[0]))
        shots = _given(script, given, look) or _shots(script, reading, pieces, look)
        break
    else:
        strategy, look = Strategy.DEFAULT, look_of(options)
        shots = _given(script, given, look) or [_Shot(w, look.prompt(w)) for w in DEFAULT_SCENES[: options.max_scenes]]
    return Storyboard(
        strategy=Strategy.GIVEN if given else strategy,
        passed_over=() if given else tuple(passed_over),
        style=options.style,
        setting=look.setting,
        scenes=tuple(
            Scene(number=number, duration_seconds=options.duration.seconds, **shot._asdict())
            for number, shot in enumerate(shots, 1)
        ),
    )


class _Shot(NamedTuple):
    description: str
    prompt: str
    start: int | None = None
    end: int | None = None


def _readings(text: str, prose: Cutter) -> Iterator[tuple[Strategy, Reading | str]]:
    """What each strategy makes of the text, or why it does not apply; asked in turn until one does."""
    yield Strategy.SCREENPLAY, read_screenplay(text)
    yield Strategy.MARKERS, read_markers(text)
    yield Strategy.PARAGRAPHS, read_paragraphs(text)
    yield Strategy.SENTENCES, read_sentences(text, prose)
    yield Strategy.CHARACTERS, read_characters(text)


def _shots(script: str, reading: Reading, pieces: list[Span], look: Look) -> list[_Shot]:
    shots, keep_lines = [], not is_wrapped(reading.text)
    for piece, span in zip(pieces, covering(script, pieces), strict=True):
        words = tidy(reading.text, piece, keep_lines=keep_lines)
        heading = reading.heading_before(piece)
        shots.append(_Shot(words, look.prompt(f"{heading}\n{words}" if heading else words), *span))
    return shots


def _given(script: str, drafts: Sequence[SceneDraft], look: Look) -> list[_Shot]:
    """The caller's scenes: a prompt stands as it is, a description alone gets the look; a span is for showing."""
    shots = []
    for draft in drafts:
        words = draft.description or draft.prompt or ""
        within = draft.start is not None and draft.end is not None and 0 <= draft.start < draft.end <= len(script)
        where = (draft.start, draft.end) if within else (None, None)
        shots.append(_Shot(words, draft.prompt or look.prompt(words), *where))
    return shots
