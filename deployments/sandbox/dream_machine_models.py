"""What the Dream Machine wire takes: the body of a create, checked, and the words that it knows."""

from typing import Annotated, Final, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from deployments.sandbox.charges import dream_machine_micros
from deployments.sandbox.generations import Order, Shape

CONCEPTS: Final = [
    "aerial", "aerial_drone", "bolt_cam", "crane_down", "crane_up", "dolly_zoom", "elevator_doors", "eye_level",
    "ground_level", "handheld", "high_angle", "low_angle", "orbit_left", "orbit_right", "overhead", "over_the_shoulder",
    "pan_left", "pan_right", "pedestal_down", "pedestal_up", "pov", "pull_out", "push_in", "roll_left", "roll_right",
    "selfie", "static", "tilt_down", "tilt_up", "tiny_planet", "truck_left", "truck_right", "zoom_in", "zoom_out",
]  # fmt: skip
CAMERA_MOTIONS: Final = [
    "Static", "Move Left", "Move Right", "Move Up", "Move Down", "Push In", "Pull Out", "Zoom In", "Zoom Out",
    "Pan Left", "Pan Right", "Tilt Up", "Tilt Down", "Orbit Left", "Orbit Right", "Crane Up", "Crane Down",
]  # fmt: skip


class Concept(BaseModel):
    """A named camera move or look."""

    key: str


class ImageFrame(BaseModel):
    """A picture to begin or end with."""

    type: Literal["image"]
    url: Annotated[str, Field(pattern="^https?://")]


class GenerationFrame(BaseModel):
    """A completed generation to go on from, or to end in."""

    type: Literal["generation"]
    id: str


Frame = Annotated[ImageFrame | GenerationFrame, Field(discriminator="type")]


class Keyframes(BaseModel):
    """First and last picture."""

    frame0: Frame | None = None
    frame1: Frame | None = None


class GenerationRequest(BaseModel):
    """The body of a create; unknown fields are ignored, and the order of fields is that of the echo."""

    model_config = ConfigDict(extra="ignore")

    generation_type: Literal["video"] = "video"
    model: Literal["ray-2", "ray-flash-2"]
    prompt: str | None = None
    aspect_ratio: Literal["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"] = "16:9"
    loop: bool = False
    keyframes: Keyframes | None = None
    callback_url: str | None = None
    resolution: Literal["540p", "720p", "1080p", "4k"] = "720p"
    duration: Literal["5s", "9s"] = "5s"
    concepts: list[Concept] | None = None

    @field_validator("callback_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parts = httpx.URL(value)
            except httpx.InvalidURL as error:
                raise ValueError(str(error)) from None
            if parts.scheme not in ("http", "https") or not parts.host or (parts.port or 0) > 65_535:
                raise ValueError("must be an http or https URL")
        return value

    @model_validator(mode="after")
    def _prompt_length(self) -> "GenerationRequest":
        if self.prompt is None and self.keyframes is None:
            raise ValueError("Prompt is required")
        if self.prompt is not None and not 3 <= len(self.prompt) <= 5000:
            raise ValueError("Prompt must be between 3 and 5000 characters")
        return self


def order_of(asked: GenerationRequest, key: str, base: str) -> Order:
    """The order behind a checked body."""
    shape = Shape.of(asked.resolution, asked.aspect_ratio, asked.duration)
    return Order(
        "dream-machine", key, asked.prompt or "", asked.model, shape,
        dream_machine_micros(asked.model, shape.width, shape.height, shape.seconds),
        base, asked.callback_url, asked.model_dump(mode="json"),
    )  # fmt: skip
