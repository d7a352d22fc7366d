"""What describes the parts for Docker, as far as it can be held to the truth without an engine."""

import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import Settings as PrefectSettings
from prefect.settings.legacy import _get_settings_fields
from typer.main import get_command

from deployments.cli import app
from tasks.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deployments/compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = [line.split() for line in re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()]


def commands() -> list[list[str]]:
    """Every command that a container of ours runs."""
    found = [SERVICES[name]["command"] for name in sorted(OURS)]
    found += [yaml.safe_load(" ".join(line[1:])) for line in DOCKERFILE if line and line[0] == "CMD"]
    parts = []
    for command in found:
        scripts = command[2].split(" && ") if command[0] == "sh" else [shlex.join(command)]
        parts += [shlex.split(script) for script in scripts]
    return parts


def test_every_part_is_there() -> None:
    assert {"prefect", "prepare", "api", "worker"} == OURS
    assert set(SERVICES) == OURS | {"postgres"}


@pytest.mark.parametrize("command", commands(), ids=shlex.join)
def test_a_container_runs_a_command_that_exists(command: list[str]) -> None:
    scripts = {point.name for point in entry_points(group="console_scripts")}
    assert command[0] in scripts
    if command[0] == "storyreel":
        known = get_command(app).commands[command[1]]  # type: ignore[attr-defined]
        options = {option for parameter in known.params for option in parameter.opts}
        assert {word for word in command if word.startswith("--")} <= options


def test_what_a_service_waits_for_is_a_service_that_can_tell() -> None:
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            healthy = "healthcheck" in SERVICES[name]
            assert healthy if wanted["condition"] == "service_healthy" else not healthy


def test_every_setting_is_one() -> None:
    """A misspelt one would be passed over in silence."""
    ours = {f"STORYREEL_{name}".upper() for name in Settings.model_fields}
    for field in Settings.model_fields.values():
        choices = getattr(field.validation_alias, "choices", [])
        ours |= {choice for choice in choices if isinstance(choice, str)}
    prefects = set(_get_settings_fields(PrefectSettings))
    for name in OURS:
        for setting in SERVICES[name]["environment"]:
            assert setting in ours | prefects, f"{name}: {setting}"


def test_only_this_machine_reaches_what_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_secrets_are_asked_for_and_not_written_down() -> None:
    text = (ROOT / "deployments/compose.yaml").read_text()
    for line in text.splitlines():
        if re.search(r"(PASSWORD|KEY)\s*:", line):
            assert ":?" in line, line


def test_the_image_is_built_from_what_is_there_and_runs_without_root() -> None:
    words = [line for line in DOCKERFILE if line]
    copied = [name for line in words if line[0] == "COPY" and "--from=build" not in line for name in line[1:-1]]
    assert {"tasks", "api", "flows", "deployments", "requirements.lock"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not set(copied) & set(ignored)
    users = [line[1] for line in words if line[0] == "USER"]
    assert users == ["storyreel"]
    assert words.index(["USER", "storyreel"]) < next(place for place, line in enumerate(words) if line[0] == "CMD")


def test_the_database_of_prefect_is_made() -> None:
    mounted = [volume.split(":")[0] for volume in SERVICES["postgres"]["volumes"] if volume.startswith("./")]
    assert mounted
    for path in mounted:
        assert "CREATE DATABASE prefect" in (ROOT / "deployments" / path).read_text()
    assert SERVICES["prefect"]["environment"]["PREFECT_API_DATABASE_CONNECTION_URL"].endswith("/prefect")
