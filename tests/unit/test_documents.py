"""What the documents promise is there."""

import re
from pathlib import Path

import pytest
from pydantic import AliasChoices
from typer.main import get_command

from deployments.cli import app
from tasks.settings import Settings

ROOT = Path(__file__).parents[2]


def env_name(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"STORYREEL_{name.upper()}"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_stands_in_the_example_file(name: str) -> None:
    assert re.search(rf"^{env_name(name)}=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_the_example_file_is_itself_valid() -> None:
    Settings(_env_file=ROOT / ".env.example")


def test_nothing_else_stands_in_the_example_file() -> None:
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named == {env_name(name) for name in Settings.model_fields}


def test_the_readme_names_only_commands_that_exist() -> None:
    words = set(re.findall(r"^\s*storyreel ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert words
    assert words <= set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_readme_names_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text())) <= targets


def test_the_changelog_names_every_command_and_target() -> None:
    named = set(re.findall(r"`([a-z-]+)`", (ROOT / "CHANGELOG.md").read_text()))
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(get_command(app).commands) <= named  # type: ignore[attr-defined]
    assert targets - {"help"} <= named


def test_every_command_and_option_says_what_it_does() -> None:
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert command.help, name
        for parameter in command.params:
            assert getattr(parameter, "help", None), (name, parameter.name)
