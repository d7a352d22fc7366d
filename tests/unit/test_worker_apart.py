import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from deployments.apart import leave, run_apart

STUBBORN = """
import asyncio
from deployments.apart import run_apart
async def serve(stop):
    print("begun", flush=True)
    await stop.wait()
    print("asked", flush=True)
    await asyncio.sleep(600)
asyncio.run(run_apart(serve, patience={patience}))
print("left", flush=True)
"""
colour: ContextVar[str] = ContextVar("colour")


async def test_it_serves_in_another_thread_with_the_callers_context() -> None:
    colour.set("blue")
    seen: list[object] = []

    async def serve(stop: asyncio.Event) -> None:
        seen.extend([threading.current_thread() is threading.main_thread(), colour.get(), stop.is_set()])

    await run_apart(serve, patience=1)
    assert seen == [False, "blue", False]


async def test_a_signal_asks_it_to_stop_and_the_handlers_are_gone_after() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def serve(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()

    await run_apart(serve, patience=1)
    assert signal.getsignal(signal.SIGTERM) == before


async def test_what_it_raises_is_raised() -> None:
    async def serve(_stop: asyncio.Event) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await run_apart(serve, patience=1)


async def test_cancelling_the_caller_asks_it_to_stop() -> None:
    stopped = threading.Event()

    async def serve(stop: asyncio.Event) -> None:
        await stop.wait()
        stopped.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await run_apart(serve, patience=1)
    assert stopped.is_set()


async def test_leaving_waits_for_what_is_left_to_send() -> None:
    sent: list[str] = []
    await leave(lambda: sent.append("all"), patience=1)
    assert sent == ["all"]


def _start(patience: float) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", STUBBORN.format(patience=patience)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    assert child.stdout.readline() == "begun\n"
    child.send_signal(signal.SIGTERM)
    assert child.stdout.readline() == "asked\n"
    return child


def test_what_does_not_stop_is_left_behind() -> None:
    out, _ = _start(0.1).communicate(timeout=20)
    assert out == "left\n"


def test_a_second_signal_ends_the_process_at_once() -> None:
    child = _start(600)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=20)
    assert out == ""
    assert child.returncode == 128 + signal.SIGINT
