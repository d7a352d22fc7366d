"""Of which Python the environment is made."""

import subprocess
import sys
from pathlib import Path

import pytest

from deployments import quickest_python
from deployments.quickest_python import Build, chosen, programs, quickest

USUAL = Build("/usual", "3.11", 1.0)


@pytest.mark.parametrize(
    ("others", "taken"),
    [
        ([], "/usual"),
        ([Build("/quick", "3.11", 0.6)], "/quick"),
        ([Build("/quick", "3.11", 0.6), Build("/quicker", "3.11", 0.5)], "/quicker"),
        ([Build("/hardly", "3.11", 0.9)], "/usual"),
        ([Build("/newer", "3.13", 0.5)], "/usual"),
        ([Build("/quick", "3.11", 0.6), Build("/usual", "3.11", 0.65)], "/usual"),  # slow for a moment only
        ([Build("/slow", "3.11", 2.0), Build("/slow", "3.11", 0.6)], "/slow"),
    ],
)
def test_which_one(others: list[Build], taken: str) -> None:
    assert chosen([USUAL, *others]) == taken


def python(folder: Path, answer: str) -> str:
    """A program that answers so when it is asked."""
    folder.mkdir()
    program = folder / "python3"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    return str(program)


def told(version: str, seconds: float) -> str:
    return f"printf '%s\\t{version}\\t{seconds}\\n' \"$0\""


def test_those_of_the_machine_are_asked(tmp_path: Path) -> None:
    python(tmp_path / "usual", told("3.12", 0.9))
    python(tmp_path / "broken", "exit 1")
    python(tmp_path / "odd", "echo hello")
    quick = python(tmp_path / "quick", told("3.12", 0.5))
    python(tmp_path / "newer", told("3.14", 0.1))
    path = ":".join(str(tmp_path / name) for name in ("nowhere", "usual", "broken", "odd", "quick", "newer"))
    assert quickest({"PATH": path}) == quick
    assert quickest({"PATH": path, "VIRTUAL_ENV": "/mine"}) == "python3"
    assert quickest({"PATH": f"{tmp_path}/broken:{tmp_path}/quick"}) == "python3"
    assert quickest({"PATH": str(tmp_path / "nowhere")}) == "python3"


def test_each_is_asked_once(tmp_path: Path) -> None:
    usual = python(tmp_path / "usual", "exit 1")
    (tmp_path / "link").symlink_to(tmp_path / "usual")
    assert list(programs(f"{tmp_path}/usual:{tmp_path}/link:{tmp_path}/usual")) == [usual]


def test_this_one_tells_of_itself() -> None:
    file = str(quickest_python.__file__)
    ran = subprocess.run([sys.executable, file, "tell"], capture_output=True, text=True, check=True)
    executable, version, seconds = ran.stdout.strip().split("\t")
    assert (executable, version) == (sys.executable, f"{sys.version_info[0]}.{sys.version_info[1]}")
    assert 0 < float(seconds) < 10
