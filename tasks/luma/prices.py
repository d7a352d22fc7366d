"""What a generation costs: a dated table, which an operator's file may replace."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from math import prod
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tasks.luma.sizes import SIZES
from tasks.options import Model, VideoOptions

_RATE = Annotated[Decimal, Field(ge=0, le=1)]


class PricesInvalid(ValueError):
    """The operator's price file can't be used; the text says why in one sentence."""


class Prices(BaseModel):
    """Prices per million pixels of moving picture, with where and when they were read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    as_of: date
    frames_per_second: Annotated[int, Field(gt=0, le=240)] = 24
    usd_per_million_pixels: dict[Model, _RATE]

    @field_validator("usd_per_million_pixels")
    @classmethod
    def _complete(cls, rates: dict[Model, Decimal]) -> dict[Model, Decimal]:
        if missing := [model.value for model in Model if model not in rates]:
            raise ValueError(f"no price for {', '.join(missing)}")
        return rates

    def price_micros(self, options: VideoOptions) -> int:
        """The price of one scene in micro-dollars: width × height × frames × rate."""
        pixels = prod(SIZES[options.resolution, options.aspect_ratio])
        frames = self.frames_per_second * options.duration.seconds
        # a rate in dollars per million pixels is one in micro-dollars per pixel
        micros = pixels * frames * self.usd_per_million_pixels[options.model]
        return int(micros.to_integral_value(ROUND_HALF_UP))

    @classmethod
    def load(cls, path: Path | None) -> "Prices":
        """The table in the JSON file at `path`, or the built-in one; for start-up: it reads. Raises PricesInvalid."""
        if path is None:
            return PRICES
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise PricesInvalid(f"The price file {path} can't be read: {error.strerror}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            why = first["msg"].removeprefix("Value error, ")
            raise PricesInvalid(f"The price file {path} is not usable: {where}: {why}.") from error


PRICES: Final = Prices(
    source="https://lumalabs.ai/api/pricing",
    as_of=date(2026, 10, 1),
    usd_per_million_pixels={Model.RAY_2: Decimal("0.0064"), Model.RAY_FLASH_2: Decimal("0.0022")},
)
