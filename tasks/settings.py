"""Settings: the only reader of the environment and of `.env`."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DREAM_MACHINE = "https://api.lumalabs.ai/dream-machine/v1"
AGENTS = "https://agents.lumalabs.ai/v1"


class Settings(BaseSettings):
    """Everything that can be set from outside; secrets never print."""

    model_config = SettingsConfigDict(
        env_prefix="STORYREEL_", env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    luma_api_key: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("LUMAAI_API_KEY", "luma_api_key"))
    ] = None
    luma_base_url: Annotated[str, Field(validation_alias=AliasChoices("LUMAAI_BASE_URL", "luma_base_url"))] = (
        DREAM_MACHINE
    )
    agents_api_key: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("LUMA_AGENTS_API_KEY", "agents_api_key"))
    ] = None
    agents_base_url: Annotated[str, Field(validation_alias=AliasChoices("LUMA_BASE_URL", "agents_base_url"))] = AGENTS
    prefect_api_url: Annotated[
        str | None, Field(validation_alias=AliasChoices("PREFECT_API_URL", "prefect_api_url"))
    ] = None

    prefect_api_key: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("PREFECT_API_KEY", "prefect_api_key"))
    ] = None
    prefect_auth_string: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("PREFECT_API_AUTH_STRING", "prefect_auth_string"))
    ] = None

    data: Path = Path("data")
    """Folder of the ledger (when embedded) and of all media."""
    database_url: str = ""
    """SQLAlchemy URL of the ledger; empty: SQLite in the data folder."""
    public_url: str | None = None
    """Where Luma's callbacks reach us, e.g. https://films.example; unset: no callbacks, polling only."""
    studio_url: str = "http://127.0.0.1:8000"
    """Where people reach the studio, for links shown elsewhere."""
    prefect_ui_url: str | None = None
    """Address of the Prefect UI for links to flow runs; unset: no links."""
    luma_concurrency: Annotated[int, Field(ge=1)] = 10
    """Generations at Luma at the same moment, per account."""
    luma_creates_per_minute: Annotated[int, Field(ge=0)] = 20
    """Submissions a minute, per account; 0: no limit."""
    generation_deadline_seconds: Annotated[float, Field(gt=0)] = 1800
    """How long a submitted generation may take before its scene fails."""
    prices_file: Path | None = None
    """JSON table of prices that replaces the built-in, dated one."""
    deployment: str = "generate-video/luma"
    """The Prefect deployment that the API starts jobs through."""
    cors_origins: list[str] = []
    """Other origins whose pages may call the API, as a JSON list."""
    blocking_seconds: Annotated[float, Field(gt=0, le=3600)] = 50
    """How long the deprecated blocking endpoint waits before it answers with the job as it is."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """From where on our own parts are heard."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """One JSON object a line, or sentences; auto: sentences on a terminal."""

    @field_validator(
        "luma_base_url", "agents_base_url", "public_url", "studio_url", "prefect_api_url", "prefect_ui_url"
    )
    @classmethod
    def _no_trailing_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    def secrets(self) -> list[str]:
        """What must never be shown."""
        named = (self.luma_api_key, self.agents_api_key, self.prefect_api_key, self.prefect_auth_string)
        return [secret.get_secret_value() for secret in named if secret]

    @property
    def callback_base(self) -> str | None:
        """The address of our doorbell, to which an attempt's token is added; None without a public address."""
        return f"{self.public_url}/api/luma/callback" if self.public_url else None

    @property
    def media(self) -> Path:
        """Folder of clips, films, posters and captions."""
        return self.data / "media"

    @property
    def ledger_url(self) -> str:
        """The ledger's URL with its async driver."""
        url = self.database_url or f"sqlite:///{self.data.absolute() / 'storyreel.db'}"
        for plain, driver in (
            ("sqlite", "sqlite+aiosqlite"),
            ("postgresql", "postgresql+asyncpg"),
            ("postgres", "postgresql+asyncpg"),
        ):
            if url.startswith(plain + "://"):
                return driver + url.removeprefix(plain)
        return url


def on_loopback(url: str) -> bool:
    """Whether an address is on this machine: Luma there is the sandbox."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
