"""The whole stack as `storyreel up` runs it, once for the session, and what tests ask of it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from deployments.addresses import Addresses

ROOT = Path(__file__).parents[2]
START_SECONDS = 180
FILM_SECONDS = 120
ENDED = ("completed", "failed", "cancelled")
SCRIPT = """A lighthouse keeper finds a letter in a bottle, half buried in the wet sand below the rocks.

She reads it by lamplight while the storm rattles the windows, and her tea goes cold beside the log book{tag}.

At dawn she rows out across the flat grey water to answer it, a lantern swinging at the bow of the boat."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def clean_env(data: Path) -> dict[str, str]:
    """This environment without anyone's Prefect, Luma and Storyreel settings."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT", "STORYREEL", "LUMA"))}
    return env | {"PYTHONPATH": str(ROOT), "STORYREEL_DATA": str(data), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}


@dataclass
class Stack:
    """A running stack: addresses, its process, and its API."""

    process: subprocess.Popen[str]
    data: Path
    port: int
    prefect_port: int
    sandbox_port: int
    env: dict[str, str]
    seen: set[str] = field(default_factory=set)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def prefect(self) -> str:
        return f"http://127.0.0.1:{self.prefect_port}/api"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def addresses(self) -> Addresses:
        return Addresses("127.0.0.1", self.port, self.prefect_port, self.sandbox_port)

    def newest(self) -> str:
        """The id of the job that came last, once there is one newer than any asked for before."""
        deadline = time.monotonic() + FILM_SECONDS
        while True:
            jobs = self.ask("GET", "/api/jobs?limit=1")["jobs"]
            if jobs and (job_id := str(jobs[0]["jobId"])) not in self.seen:
                self.seen.add(job_id)
                return job_id
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def ask(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = httpx.request(method, f"{self.api}{path}", timeout=30, **kwargs)
        assert answer.is_success, answer.text
        return answer.json()

    def generate(self, tag: str = "", **body: Any) -> str:
        """Send the usual script, with a marker for the sandbox if wanted → the job's id."""
        body = {"script": SCRIPT.replace("{tag}", tag), "options": {"resolution": "540p"}} | body
        job_id: str = self.ask("POST", "/api/generate", json=body)["jobId"]
        self.seen.add(job_id)
        return job_id

    def job(self, job_id: str) -> Any:
        return self.ask("GET", f"/api/job/{job_id}")

    def until(self, job_id: str, wanted: Callable[[Any], bool], seconds: float = FILM_SECONDS) -> Any:
        deadline = time.monotonic() + seconds
        while not wanted(job := self.job(job_id)):
            assert time.monotonic() < deadline, f"still {job}\n{self.logs()}"
            time.sleep(0.1)
        return job

    def ended(self, job_id: str, seconds: float = FILM_SECONDS) -> Any:
        return self.until(job_id, lambda job: job["status"] in ENDED, seconds)

    def part(self, name: str) -> psutil.Process:
        """The child that runs one of the parts: prefect, api, worker or sandbox."""
        words = {"prefect": "deployments.prefect_server:create_app"}.get(name, name)
        alive = [child for child in psutil.Process(self.process.pid).children() if child.status() != "zombie"]
        return next(child for child in alive if words in child.cmdline())

    @contextmanager
    def held_down(self, name: str) -> Iterator[None]:
        """Kill a part, and stop its successor before it listens: it can't be reached until the block ends."""
        victim = self.part(name)
        victim.kill()
        successor = self._other(name, victim)
        successor.suspend()
        try:
            yield
        finally:
            successor.resume()

    def _other(self, name: str, before: psutil.Process) -> psutil.Process:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(StopIteration, psutil.NoSuchProcess):
                if (part := self.part(name)) != before:
                    return part
            time.sleep(0.01)
        raise AssertionError(f"{name} is not begun again: {self.logs()}")

    def worker_of(self, flow_run_id: str) -> int | None:
        """The process id of the worker that runs a run, or did so last: one whose clips are there soon ends."""
        asked = {"flow_run_id": flow_run_id}
        states = httpx.get(f"{self.prefect}/flow_run_states/", params=asked, timeout=10).json()
        running = [state for state in states if state["type"] == "RUNNING"]
        return owner_pid(max(running, key=lambda state: state["timestamp"])) if running else None

    def logs(self) -> str:
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in (self.data / "logs").glob("*.log"))

    def storyreel(self, *words: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """Run a command of ours against this stack."""
        env = self.env | {"STORYREEL_STUDIO_URL": self.api, "PREFECT_API_URL": self.prefect}
        return run(sys.executable, "-m", "deployments.cli", *words, env=env, **kwargs)


def owner_pid(state: dict[str, Any]) -> int | None:
    """The process id of the worker that holds a run in this state of Prefect's: its message says so."""
    found = re.search(r"\(\w+/(\d+)/[\d.]+\)$", state["message"] or "")
    return int(found[1]) if found else None


@contextmanager
def within(seconds: float) -> Iterator[Callable[[Callable[[], object]], float]]:
    """Give a function that waits until something is so, counted from here → seconds; fails when it takes longer."""
    begun = time.monotonic()

    def until(so: Callable[[], object]) -> float:
        while not so():
            assert time.monotonic() - begun < seconds, f"not within {seconds} s"
            time.sleep(0.05)
        return time.monotonic() - begun

    yield until


def run(*command: str, env: dict[str, str], **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with what it said."""
    return subprocess.run(
        command, env=env, cwd=ROOT, text=True, capture_output=True, timeout=300, check=False, **kwargs
    )


def start(data: Path, *under: str, **more: str) -> Stack:
    """`storyreel up` on free ports, ready; `under` is a command that begins it, `more` goes into its environment."""
    ports = [free_port() for _ in range(3)]
    env = clean_env(data) | more
    options = zip(("--port", "--prefect-port", "--sandbox-port"), map(str, ports), strict=True)
    words = [word for option in options for word in option]
    data.mkdir(parents=True, exist_ok=True)
    command = [*under, sys.executable, "-m", "deployments.cli", "up", *words]
    with (data / "up.log").open("w") as said:
        process = subprocess.Popen(command, env=env, cwd=ROOT, text=True, stdout=said, stderr=subprocess.STDOUT)
    stack = Stack(process, data, *ports, env)
    _await_ready(stack)
    return stack


def _await_ready(stack: Stack) -> None:
    deadline = time.monotonic() + START_SECONDS
    said = stack.data / "up.log"
    while "Ctrl-C stops everything" not in said.read_text():
        assert stack.process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text() + stack.logs()
        time.sleep(0.1)


def stop(stack: Stack) -> int:
    """SIGTERM to the stack → its exit code; fails when a process of it is left."""
    family = psutil.Process(stack.process.pid).children(recursive=True)
    stack.process.send_signal(signal.SIGTERM)
    code = stack.process.wait(60)
    left = [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"left behind: {left}"
    return code


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, as one machine runs it, with quick generations."""
    running = start(tmp_path_factory.mktemp("stack"), STORYREEL_LUMA_CREATES_PER_MINUTE="0")
    quick = {"generation_seconds": 2.0, "dream_machine_creates_per_minute": 0}
    httpx.put(f"{running.sandbox}/_sandbox/config", json=quick, timeout=10).raise_for_status()
    try:
        yield running
    finally:
        if running.process.poll() is None:
            stop(running)
