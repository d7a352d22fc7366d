"""What the terminal says of jobs, whatever their texts hold."""

from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from deployments.cli import app
from deployments.following import job_table, view

ODD = "A [/b] title [red] of [link=x] brackets"
SCENE = {"sceneNumber": 1, "status": "failed", "description": "", "error": "No [/b] clip: " + "why " * 40}
JOB: dict[str, Any] = {
    "jobId": "0b8f1c7e-5d0a-4c1b-9a53-2f4f8d1f6a10",
    "title": ODD,
    "status": "failed",
    "progress": 90,
    "currentStep": "Failed",
    "results": {"scenes": [SCENE, SCENE]},
    "createdAt": "2026-11-26T04:42:34.943472Z",
}
TODAY = datetime(2026, 11, 26, 9, tzinfo=timezone(timedelta(hours=1)))


def shown(what: RenderableType, width: int = 200) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(what)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def test_a_title_is_shown_as_it_is() -> None:
    assert any(ODD in line for line in shown(job_table([JOB], TODAY)))
    assert shown(view(JOB))[0].strip() == ODD


def test_a_scene_is_one_line_however_narrow_the_terminal() -> None:
    lines = shown(view(JOB), width=60)
    assert len(lines) == 4
    assert all("No [/b] clip" in line and line.rstrip().endswith("…") for line in lines[2:])


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_job_is_one_line_and_can_be_copied_however_narrow_the_terminal(width: int) -> None:
    lines = [line for line in shown(job_table([JOB | {"title": "A fox " * 40}], TODAY), width) if line.strip()]
    assert len(lines) == 3  # with the head and its rule
    assert lines[2].split()[0] == JOB["jobId"]


def test_a_job_of_today_has_its_time() -> None:
    assert any(" 05:42 " in line for line in shown(job_table([JOB], TODAY), width=80))


def test_a_job_of_another_day_has_its_day() -> None:
    tomorrow = TODAY + timedelta(days=1)
    assert any(" 2026-11-26 " in line for line in shown(job_table([JOB], tomorrow)))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["film", "[/b]"], "[/b] can't be read: No such file or directory."),
        (["film", "latin-1"], "latin-1 can't be read: it is not UTF-8 text."),
        (["jobs", "--api", "http://127.0.0.1:1"], "No Storyreel answers at http://127.0.0.1:1; start one with"),
        (["jobs", "--api", "http://[x"], "http://[x is not the address of an API."),
        (["jobs", "--api", "http://x:y"], "http://x:y is not the address of an API."),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "latin-1").write_bytes("Küste".encode("latin-1"))
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(app, words)
    assert said.exit_code in (1, 2), said.exception
    assert said.stderr.startswith(says)
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "name", "value", "says"),
    [
        (["migrate"], "STORYREEL_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none", "The ledger can't be reached."),
        (["up"], "STORYREEL_LUMA_CONCURRENCY", "0", "STORYREEL_LUMA_CONCURRENCY is not usable: Input"),
    ],
)
def test_a_setting_that_does_not_work_is_one_sentence(
    words: list[str], name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    said = CliRunner().invoke(app, words)
    assert said.exit_code in (1, 2), said.exception
    assert said.stderr.startswith(says)
    assert said.stderr.count("\n") == 1
