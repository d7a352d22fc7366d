"""What a person may choose about a film: one model for the API, the flow's parameters and the storyboard."""

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from tasks.styles import DEFAULT_STYLE, STYLES

MIN_SCRIPT: Final = 60  # characters after trimming, as in the old studio
MAX_SCRIPT: Final = 20_000  # characters
MIN_PROMPT: Final = 3  # characters; Luma's own bounds
MAX_PROMPT: Final = 5_000
MAX_SCENES: Final = 40
MAX_COST_USD: Final = 2_000  # several times the dearest film; the ledger counts millionths in 32 bits


class Model(StrEnum):
    """Luma's video models on the Dream Machine API."""

    RAY_2 = "ray-2"
    RAY_FLASH_2 = "ray-flash-2"


class AspectRatio(StrEnum):
    """Width to height."""

    SQUARE = "1:1"
    WIDE = "16:9"
    TALL = "9:16"
    CLASSIC = "4:3"
    PORTRAIT = "3:4"
    ULTRAWIDE = "21:9"
    ULTRATALL = "9:21"


class Resolution(StrEnum):
    """Height class of the picture."""

    P540 = "540p"
    P720 = "720p"
    P1080 = "1080p"
    UHD = "4k"


class Duration(StrEnum):
    """Length of one clip."""

    FIVE = "5s"
    NINE = "9s"

    @property
    def seconds(self) -> int:
        """The length in seconds."""
        return int(self.removesuffix("s"))


class VideoOptions(BaseModel):
    """Choices for a whole film; camelCase or snake_case on the way in, camelCase on the wire out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    model: Annotated[Model, Field(description="Luma's video model.")] = Model.RAY_2
    aspect_ratio: Annotated[AspectRatio, Field(description="Width to height of the film.")] = AspectRatio.WIDE
    resolution: Annotated[Resolution, Field(description="Height class of the picture.")] = Resolution.P720
    duration: Annotated[Duration, Field(description="Length of each scene.")] = Duration.NINE
    loop: Annotated[bool, Field(description="Whether each clip ends as it began.")] = False
    style: Annotated[
        str,
        Field(description="A style preset shared by all scenes.", json_schema_extra={"enum": list(STYLES)}),
    ] = DEFAULT_STYLE
    setting: Annotated[
        str | None,
        Field(max_length=500, description="Where and when it plays; read from the script when left out."),
    ] = None
    max_scenes: Annotated[int, Field(ge=1, le=MAX_SCENES, description="The most scenes to cut the script into.")] = 7

    @field_validator("style")
    @classmethod
    def _known_style(cls, value: str) -> str:
        if value not in STYLES:
            raise ValueError(f"unknown style {value!r}; choose one of {', '.join(STYLES)}")
        return value

    @model_validator(mode="after")
    def _allowed_together(self) -> Self:
        for refused, why in REFUSED:
            if all(getattr(self, name) == value for name, value in refused.items()):
                raise ValueError(why)
        return self


REFUSED: Final[tuple[tuple[dict[str, object], str], ...]] = ()
"""Combinations that Luma refuses: ({field: value, …}, one sentence for the person)."""


def script_fault(script: str) -> str | None:
    """Why this can't be filmed, in one sentence; None when it can."""
    length = len(script.strip())
    if length < MIN_SCRIPT:
        return f"Please write a longer script: at least {MIN_SCRIPT} characters are needed, this one has {length}."
    if len(script) > MAX_SCRIPT:
        return (
            f"Please write a shorter script: at most {MAX_SCRIPT:,} characters can be filmed, "
            f"this one has {len(script):,}."
        )
    if "\0" in script:
        return "The script holds a NUL character, which is not text."
    if any("\ud800" <= character <= "\udfff" for character in script):
        return "The script holds half of a character (a lone surrogate), which is not text."
    return None
