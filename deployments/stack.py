"""Everything on one machine: Prefect server, API, worker, and the sandbox when there is no Luma key."""

import asyncio
import contextlib
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from deployments.supervisor import Part, Supervisor
from tasks.settings import DREAM_MACHINE, Settings, on_loopback

START_SECONDS: Final = 180.0
"""For everything to be ready; Prefect's first start on a slow machine takes the most of it."""
PREFECT_SERVER: Final = ("-m", "uvicorn", "--factory", "deployments.prefect_server:create_app", "--log-level=warning")
"""Prefect's server, without the seconds that the command `prefect server start` takes to import."""
PREFECT_ENV: Final = {
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",  # over a restart
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # one statement for the task runs of a second, and not two or three for each of their states
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "DO_NOT_TRACK": "1",
}


class PortTaken(Exception):
    """An address is in use already."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts listen."""

    host: str
    port: int
    prefect_port: int
    sandbox_port: int

    @property
    def studio(self) -> str:
        """The studio and the API."""
        return f"http://{_reachable(self.host)}:{self.port}"

    @property
    def docs(self) -> str:
        """The API's documentation."""
        return f"{self.studio}/api/docs"

    @property
    def prefect(self) -> str:
        """Prefect's UI."""
        return f"http://{_reachable(self.host)}:{self.prefect_port}"

    @property
    def sandbox(self) -> str:
        """The sandbox; only ever on this machine."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    def free(self) -> "Addresses":
        """The same where nothing listens yet, else the next free ports."""
        port = next_free(self.host, self.port)
        prefect = next_free(self.host, self.prefect_port)
        return Addresses(self.host, port, prefect, next_free("127.0.0.1", self.sandbox_port))


def next_free(host: str, port: int) -> int:
    """The first port from this one on that we could listen on."""
    return next(candidate for candidate in range(port, 65536) if port_free(host, candidate))


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - only recognised


def needs_sandbox(settings: Settings) -> bool:
    """Without a key and with nobody else's Luma in mind, films are drawn here."""
    return settings.luma_api_key is None and settings.luma_base_url == DREAM_MACHINE


def environment(settings: Settings, at: Addresses) -> dict[str, str]:
    """What every part is told of the others."""
    sandbox = needs_sandbox(settings)
    luma = f"{at.sandbox}/dream-machine/v1" if sandbox else settings.luma_base_url
    data = settings.data.absolute()
    told = {
        "STORYREEL_DATA": str(data),
        "STORYREEL_STUDIO_URL": at.studio,
        "STORYREEL_PREFECT_UI_URL": at.prefect,
        "LUMAAI_BASE_URL": luma,
        "PREFECT_API_URL": f"http://127.0.0.1:{at.prefect_port}/api",
        "PREFECT_HOME": str(data / "prefect"),
        "MALLOC_ARENA_MAX": "2",  # glibc's: a heap for each of a worker's many threads costs it 40 MB
    }
    if settings.public_url is None and on_loopback(luma):
        told["STORYREEL_PUBLIC_URL"] = f"http://127.0.0.1:{at.port}"
    return told | PREFECT_ENV


def parts(settings: Settings, at: Addresses) -> list[Part]:
    """The processes, in the order in which they start; they end in the opposite one."""
    env = environment(settings, at)
    ours = env | {"PROMETHEUS_MULTIPROC_DIR": str(_metrics(settings))}
    us = [sys.executable, "-m", "deployments.cli"]
    prefect = [sys.executable, *PREFECT_SERVER, f"--host={at.host}", f"--port={at.prefect_port}"]
    found = [
        Part("prefect", prefect, env),
        Part("api", [*us, "api", "--host", at.host, "--port", str(at.port)], ours),
        Part("worker", [*us, "worker", "--deploy"], ours),
    ]
    if needs_sandbox(settings):
        state = str(settings.data.absolute() / "sandbox.jsonl")
        found.insert(1, Part("sandbox", [*us, "sandbox", "--port", str(at.sandbox_port), "--state", state], env))
    return found


def _metrics(settings: Settings) -> Path:
    """Where API and worker keep their numbers, so that whoever scrapes one of them sees both."""
    return settings.data.absolute() / "metrics"


def _begin_counting(settings: Settings) -> None:
    """Counters begin at nothing with the stack."""
    shutil.rmtree(_metrics(settings), ignore_errors=True)
    _metrics(settings).mkdir(parents=True)


def refuse_taken(settings: Settings, at: Addresses) -> None:
    """Raise `PortTaken` with one sentence for the first port that is in use."""
    wanted = [("--port", at.host, at.port), ("--prefect-port", at.host, at.prefect_port)]
    if needs_sandbox(settings):
        wanted.append(("--sandbox-port", "127.0.0.1", at.sandbox_port))
    for option, host, port in wanted:
        if not port_free(host, port):
            raise PortTaken(f"Port {port} on {host} is in use; stop what uses it or choose another with {option}.")


def port_free(host: str, port: int) -> bool:
    """Whether we could listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


@contextlib.asynccontextmanager
async def stack(
    settings: Settings, at: Addresses, say: Callable[[str], None], wait: Callable[[str], None]
) -> AsyncIterator[Supervisor]:
    """All parts, until the block ends. `say` tells of events, `wait` of what is being waited for.

    Raises `PortTaken`, and `PartFailed` or `TimeoutError` when the parts don't get ready.
    """
    refuse_taken(settings, at)
    await asyncio.to_thread(_begin_counting, settings)
    supervisor = Supervisor(Path(settings.data) / "logs", say)
    try:
        for part in parts(settings, at):
            await supervisor.start(part)
        await ready(at, supervisor, wait)
        yield supervisor
    finally:
        await supervisor.stop()


async def ready(at: Addresses, supervisor: Supervisor, wait: Callable[[str], None]) -> None:
    """Return when a job would run; tell meanwhile what is missing. Raises `PartFailed`, `TimeoutError`."""
    async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(timeout=5) as client:
        while missing := await _missing(client, at):
            await supervisor.raise_hopeless()
            wait(missing)
            await asyncio.sleep(0.3)


async def _missing(client: httpx.AsyncClient, at: Addresses) -> str | None:
    """What is not there yet, in words; None: nothing."""
    try:
        answer = await client.get(f"{at.studio}/api/ready")
    except httpx.TransportError:
        return "the API to answer"
    if answer.is_success:
        return None
    checks = answer.json().get("checks", [])
    first = next((check for check in checks if not check["ok"]), {"name": "API", "detail": "not ready"})
    if first["name"] != "prefect":
        return f"{first['name']}: {first['detail']}"
    try:
        await client.get(f"{at.prefect}/api/health")
    except httpx.TransportError:
        return "Prefect's server to start"
    return "the worker to register with Prefect"


async def until_stopped() -> None:
    """Return at the first SIGINT or SIGTERM."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
