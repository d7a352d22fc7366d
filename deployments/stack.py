"""Everything on one machine: Prefect server, API, worker, and the sandbox when there is no Luma key."""

import asyncio
import contextlib
import fcntl
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import httpx

from deployments.addresses import LOOPBACK, Addresses, PortTaken, refuse_taken, unproxied
from deployments.supervisor import Part, PartFailed, Supervisor
from tasks.settings import DREAM_MACHINE, Settings, on_loopback

START_SECONDS: Final = 180.0
"""For everything to be ready; Prefect's first start on a slow machine takes the most of it."""
BEHIND: Final = 10
"""How far films stand behind pages where cores are short: a poll is a millisecond, and somebody waits for it."""
PREFECT_SERVER: Final = ("-m", "uvicorn", "--factory", "deployments.prefect_server:create_app", "--log-level=warning")
"""Prefect's server, without the seconds that the command `prefect server start` takes to import."""
PREFECT_ENV: Final = {
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_MESSAGING_BROKER": "deployments.prefect_events",  # each service parses what it reads and no more
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",  # over a restart
    # not as soon as many scripts come at once and wait for their turn: each change of a state costs as much as a start
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "60",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # one statement for the task runs of a second, and not two or three for each of their states
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "DO_NOT_TRACK": "1",
}


class DataTaken(Exception):
    """The data folder can't be this stack's; the message is one sentence."""


CANT_START: Final = (PortTaken, DataTaken, PartFailed, TimeoutError)
"""What `stack` raises when it does not come up."""


def needs_sandbox(settings: Settings) -> bool:
    """Without a key and with nobody else's Luma in mind, films are drawn here."""
    return settings.luma_api_key is None and settings.luma_base_url == DREAM_MACHINE


def with_sandbox(settings: Settings, data: Path) -> Settings:
    """Settings for a stack that can't spend: its own folder and ledger, and the sandbox whatever keys are there."""
    return settings.model_copy(
        update={"data": data, "database_url": "", "luma_api_key": None, "luma_base_url": DREAM_MACHINE}
    )


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
    env = environment(settings, at) | unproxied(at) | {"STORYREEL_DATABASE_URL": settings.ledger_url}
    ours = env | {"PROMETHEUS_MULTIPROC_DIR": str(_metrics(settings))}
    us = [sys.executable, "-m", "deployments.cli"]
    prefect = [sys.executable, *PREFECT_SERVER, f"--host={at.host}", f"--port={at.prefect_port}"]
    found = [
        Part("prefect", prefect, env, nice=BEHIND),
        Part("api", [*us, "api", "--host", at.host, "--port", str(at.port)], ours),
        Part("worker", [*us, "worker", "--deploy"], ours, nice=BEHIND),
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


def listening(settings: Settings, at: Addresses) -> list[tuple[str, str, int]]:
    """What the stack will listen on: option, host and port."""
    wanted = [("--port", at.host, at.port), ("--prefect-port", at.host, at.prefect_port)]
    return [*wanted, ("--sandbox-port", LOOPBACK, at.sandbox_port)] if needs_sandbox(settings) else wanted


@contextlib.contextmanager
def only_stack(data: Path) -> Iterator[None]:
    """Hold the data folder: two stacks over one ledger would run each other's jobs. Raises `DataTaken`."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "stack.lock").open("a")
    except OSError as error:
        raise DataTaken(f"The data folder {data} can't be used: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            why = f"Another stack runs with the data folder {data}; stop it or choose another with --data."
            raise DataTaken(why) from error
        yield


@contextlib.asynccontextmanager
async def stack(
    settings: Settings, at: Addresses, say: Callable[[str], None], wait: Callable[[str], None]
) -> AsyncIterator[Supervisor]:
    """All parts, until the block ends. `say` tells of events, `wait` of what is being waited for.

    Raises `PortTaken` or `DataTaken`, and `PartFailed` or `TimeoutError` when the parts don't get ready.
    """
    refuse_taken(listening(settings, at))
    with only_stack(settings.data.absolute()):
        await asyncio.to_thread(_begin_counting, settings)
        supervisor = Supervisor(settings.data / "logs", say)
        try:
            for part in parts(settings, at):
                await supervisor.start(part)
            await ready(at, supervisor, wait)
            yield supervisor
        finally:
            await supervisor.stop()


async def ready(at: Addresses, supervisor: Supervisor, wait: Callable[[str], None]) -> None:
    """Return when a job would run; tell meanwhile what is missing. Raises `PartFailed`, `TimeoutError`."""
    async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(timeout=5, trust_env=False) as client:
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
