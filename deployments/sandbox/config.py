"""What can be set about the sandbox, at its start or while it runs (`PUT /_sandbox/config`)."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Rate = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class SandboxConfig(BaseModel):
    """Pace, limits and chances; a count of 0 means no limit, a rate is the chance of one event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    generation_seconds: Annotated[Seconds, Field(description="How long a generation takes on average.")] = 4.0
    jitter: Annotated[Rate, Field(description="How far one may be off that, as a share of it.")] = 0.25
    queued_share: Annotated[Rate, Field(description="Share of that time spent queued.")] = 0.2
    submit_seconds: Annotated[Seconds, Field(description="Time from creating a generation to its answer.")] = 0.0
    list_lag_seconds: Annotated[Seconds, Field(description="Time until a new generation shows in the list.")] = 0.0

    dream_machine_concurrency: Annotated[Count, Field(description="Active generations per account.")] = 10
    dream_machine_creates_per_minute: Annotated[Count, Field(description="Creates in a sliding minute.")] = 20
    agents_concurrency: Annotated[Count, Field(description="Active jobs per client.")] = 10
    agents_creates_per_minute: Annotated[Count, Field(description="Creates in a sliding minute.")] = 30

    credits_cents: Annotated[Count, Field(description="What every account starts with, in US cents.")] = 1_000_000
    valid_keys: Annotated[tuple[SecretStr, ...] | None, Field(description="The keys that are accepted; null: any.")] = (
        None
    )

    clips: Annotated[
        Literal["drawn", "cached"], Field(description="A clip for each prompt, or one clip per shape for load tests.")
    ] = "drawn"
    url_seconds: Annotated[Seconds, Field(description="Life of a Dream Machine asset URL.")] = 3600.0
    public_url: Annotated[
        str | None, Field(pattern="^https?://", description="Base of asset URLs; null: as the request says.")
    ] = None

    failure_rate: Annotated[Rate, Field(description="Generations that fail and are refunded.")] = 0.0
    moderation_rate: Annotated[Rate, Field(description="Generations that are refused by moderation.")] = 0.0
    error_rate: Annotated[Rate, Field(description="GETs that answer 503.")] = 0.0
    callback_drop_rate: Rate = 0.0
    callback_double_rate: Rate = 0.0
    callback_delay_rate: Rate = 0.0
    callback_delay_seconds: Seconds = 5.0
    callbacks_anywhere: Annotated[bool, Field(description="Call back hosts other than loopback.")] = False

    seed: Annotated[
        int | None, Field(description="Makes ids and chances repeat, from the next reset on; null: fresh ones.")
    ] = None

    def changed(self, **changes: object) -> Self:
        """A checked copy with these fields replaced; raises pydantic.ValidationError."""
        return type(self).model_validate({**dict(self), **changes})
