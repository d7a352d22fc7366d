"""Child processes, watched: started together, begun again when they die, ended together with nothing left behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

STOP_SECONDS: Final = 12.0
"""For a child to end after SIGTERM; a worker gives its runs back meanwhile."""
RESTART_AFTER: Final = (0.0, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a dead child is begun again, by how often it died lately."""
CALM_SECONDS: Final = 60.0
"""A child that lived so long has its earlier deaths forgiven."""
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Part:
    """A process that the stack consists of."""

    name: str
    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)


def restart_delay(deaths: int) -> float:
    """Seconds to wait after so many deaths in short order (1: the first)."""
    return RESTART_AFTER[min(deaths, len(RESTART_AFTER)) - 1]


class Supervisor:
    """Keeps parts running until it is told to stop."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self._logs, self._say = logs, say
        self._watches: list[asyncio.Task[None]] = []
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, part: Part) -> None:
        """Start a part and keep it running; its output goes to `logs/NAME.log`."""
        await asyncio.to_thread(self._logs.mkdir, parents=True, exist_ok=True)
        process = await self._spawn(part)
        self._watches.append(asyncio.create_task(self._keep(part, process)))

    async def stop(self) -> None:
        """End all parts, the last one first; those that don't listen are killed."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        for process in reversed(self.processes.values()):
            await _end(process)

    def log(self, name: str) -> Path:
        """Where a part's output goes."""
        return self._logs / f"{name}.log"

    async def _spawn(self, part: Part) -> asyncio.subprocess.Process:
        with self.log(part.name).open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *part.argv,
                env=os.environ | part.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we pass it on in the right order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self.processes[part.name] = process
        return process

    async def _keep(self, part: Part, process: asyncio.subprocess.Process) -> None:
        deaths = 0
        while True:
            begun = time.monotonic()
            code = await process.wait()
            deaths = 1 if time.monotonic() - begun > CALM_SECONDS else deaths + 1
            self._say(f"{part.name} ended ({_ending(code)}), starting it again; see {self.log(part.name)}")
            await asyncio.sleep(restart_delay(deaths))
            process = await self._spawn(part)


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM to the child's whole group, then SIGKILL."""
    for how, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await process.wait()
            break
    with contextlib.suppress(ProcessLookupError):  # what the child itself had started
        os.killpg(process.pid, signal.SIGKILL)


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # also when we are killed with -9
