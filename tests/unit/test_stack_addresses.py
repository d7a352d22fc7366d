"""Where the stack listens, what it refuses before it starts anything, and what its demo can't spend."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.addresses import Addresses, PortTaken, next_free, refuse_taken, unproxied
from deployments.cli import app
from deployments.stack import DataTaken, needs_sandbox, only_stack, parts, with_sandbox
from tasks.settings import Settings

AT = Addresses("127.0.0.1", 8000, 4200, 8900)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_refused_and_passed_over(taken: int) -> None:
    with pytest.raises(PortTaken, match=f"Port {taken} on 127.0.0.1 is in use; .* choose another with --port."):
        refuse_taken([("--port", "127.0.0.1", taken)])
    assert next_free("127.0.0.1", taken) > taken


def test_an_address_that_is_not_ours_is_not_called_in_use() -> None:
    with pytest.raises(PortTaken, match=r"The stack can't listen on 203.0.113.7, port 8000: \w.*\."):
        refuse_taken([("--port", "203.0.113.7", 8000)])
    assert next_free("203.0.113.7", 8000) == 8000


def test_two_parts_do_not_share_a_port() -> None:
    with pytest.raises(PortTaken, match=r"^--port and --sandbox-port are both 8000; choose different ones\.$"):
        refuse_taken([("--port", "", 8000), ("--prefect-port", "", 4200), ("--sandbox-port", "", 8000)])
    free = Addresses("127.0.0.1", 8000, 8000, 8000).free()
    assert len({free.port, free.prefect_port, free.sandbox_port}) == 3


def test_a_second_stack_over_the_same_folder_is_refused(tmp_path: Path) -> None:
    with only_stack(tmp_path / "data"), pytest.raises(DataTaken, match="Another stack runs with the data folder"):
        only_stack(tmp_path / "data").__enter__()
    with only_stack(tmp_path / "data"):  # free again
        pass


def test_a_folder_that_can_not_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ["up", "--port", str(next_free("127.0.0.1", 20000)), "--data", str(tmp_path / "file")]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 1
    assert said.stderr == f"The data folder {tmp_path / 'file'} can't be used: File exists.\n"


def test_the_demo_can_not_spend_whatever_keys_and_ledgers_are_set(tmp_path: Path) -> None:
    real = Settings(luma_api_key="luma-real", database_url="postgresql://db/films", _env_file=None)  # type: ignore[call-arg, arg-type]
    assert not needs_sandbox(real)
    safe = with_sandbox(real, tmp_path)
    told = parts(safe, AT)[0].env
    assert needs_sandbox(safe)
    assert told["LUMAAI_BASE_URL"] == "http://127.0.0.1:8900/dream-machine/v1"
    assert told["STORYREEL_DATABASE_URL"] == f"sqlite+aiosqlite:///{tmp_path}/storyreel.db"


def test_a_script_that_can_not_be_filmed_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Once upon a time.")
    said = CliRunner().invoke(app, ["demo", str(tmp_path / "short.txt")])
    assert said.exit_code == 2
    assert said.stderr == "Please write a longer script: at least 60 characters are needed, this one has 17.\n"
    assert said.stdout == ""


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    monkeypatch.delenv("no_proxy", raising=False)
    assert unproxied(AT)["no_proxy"] == "intranet.example,127.0.0.1,localhost,127.0.0.1"
