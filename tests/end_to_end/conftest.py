"""One real Prefect server for the session, and child processes that never outlive their test."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import prefect
import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from tests.end_to_end.running import stack  # noqa: F401 - a fixture for every file here

ROOT = Path(__file__).parents[2]
START_SECONDS = 120  # a fresh database on a busy machine
SERVER = [sys.executable, "-m", "uvicorn", "--factory", "deployments.prefect_server:create_app", "--log-level=warning"]
SERVER_ENV = {
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "DO_NOT_TRACK": "1",
}


@dataclass
class Processes:
    """Starts children, each with its output in a file, and ends them all."""

    folder: Path
    env: dict[str, str]
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str, name: str, env: dict[str, str] | None = None) -> "Child":
        path = self.folder / f"{name}-{len(self.children)}.log"
        with path.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.env | (env or {}), stdout=output, stderr=output
            )
        self.children.append(process)
        return Child(process, path)

    def close(self) -> None:
        """Ask all to end, make those that don't, and leave none."""
        for process in self.children:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.children:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class Child:
    """A process and what it said."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {text!r} in {seconds} s:\n{self.output}"
            time.sleep(0.05)


def clean_env(home: Path) -> dict[str, str]:
    """This environment without anyone's Prefect, Luma and Storyreel settings, with the repository importable."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT", "STORYREEL", "LUMA"))}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])
    return env | {"PREFECT_HOME": str(home), "STORYREEL_DATA": str(home / "data"), "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    """Address of the API of a Prefect server with a database of its own.

    Migrating a fresh database takes more than half of the start, so a migrated one is kept in pytest's cache.
    """
    home = tmp_path_factory.mktemp("prefect")
    kept = pytestconfig.cache.mkdir(f"prefect-{prefect.__version__}")
    for file in kept.iterdir():
        shutil.copy(file, home)
    processes = Processes(home, clean_env(home) | SERVER_ENV)
    port = free_port()
    try:
        server = processes.start(*SERVER, "--host=127.0.0.1", f"--port={port}", name="server")
        api = f"http://127.0.0.1:{port}/api"
        _wait_until_healthy(server, api)
        if not (kept / "prefect.db").exists():
            _keep(home, kept)
        yield api
    finally:
        processes.close()


def _wait_until_healthy(server: Child, api: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.process.poll() is None, server.output
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{api}/health", timeout=5).status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    raise AssertionError(f"Prefect did not answer in {START_SECONDS} s:\n{server.output}")


def _keep(home: Path, kept: Path) -> None:
    """Copy the database as it is right after its migration, and the memory of which blocks it has."""
    draft = kept / "draft"
    with (
        contextlib.closing(sqlite3.connect(home / "prefect.db")) as source,
        contextlib.closing(sqlite3.connect(draft)) as copy,
    ):
        source.backup(copy)
    for memo in home.glob("memo_store.toml"):
        shutil.copy(memo, kept)
    draft.rename(kept / "prefect.db")


@pytest.fixture
async def prefect_client(prefect_server: str, tmp_path: Path) -> AsyncIterator[PrefectClient]:
    """A client of the server, in the settings that everything of Prefect in this process then uses."""
    with temporary_settings({PREFECT_API_URL: prefect_server, PREFECT_HOME: tmp_path}):
        async with get_client() as client:
            yield client


@pytest.fixture(scope="session")
def new_processes(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Processes]]:
    """Make a group of children: `with new_processes({"PREFECT_API_URL": …}) as processes`."""

    @contextlib.contextmanager
    def make(env: dict[str, str], folder: Path | None = None) -> Iterator[Processes]:
        folder = folder or tmp_path_factory.mktemp("processes")
        started = Processes(folder, clean_env(folder) | env)
        try:
            yield started
        finally:
            started.close()

    return make


@pytest.fixture
def processes(
    prefect_server: str, tmp_path: Path, new_processes: Callable[..., AbstractContextManager[Processes]]
) -> Iterator[Processes]:
    """Children of one test, with the server's address in their environment."""
    with new_processes({"PREFECT_API_URL": prefect_server}, tmp_path) as started:
        yield started


@pytest.fixture
def eventually() -> Callable[..., object]:
    """Wait until an async question has a truthy answer: `await eventually(ask, seconds=10)`."""
    return _eventually


async def _eventually(ask: Callable[[], Awaitable[object]], *, seconds: float = 20) -> object:
    async with asyncio.timeout(seconds):
        while not (answer := await ask()):  # noqa: ASYNC110 -- the answer is another process's
            await asyncio.sleep(0.1)
    return answer
