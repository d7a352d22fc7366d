"""Child processes, watched: started together, begun again when they die, ended together with nothing left behind."""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

STOP_SECONDS: Final = 12.0
"""For a child to end after SIGTERM; a worker gives its runs back meanwhile."""
RESTART_AFTER: Final = (0.0, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a dead child is begun again, by how often it died lately."""
CALM_SECONDS: Final = 60.0
"""A child that lived so long has its earlier deaths forgiven."""
HOPELESS: Final = 4
"""Deaths in short order before anything was ready: it will not start."""
TAIL: Final = 65_536
"""Bytes of a log that are looked through for a reason; one line may hold a whole traceback."""
_PR_SET_PDEATHSIG: Final = 1


class PartFailed(Exception):
    """A part does not start; the message says which, and the last it said."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process that the stack consists of."""

    name: str
    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    nice: int = 0
    """How far it lets others go first where cores are short, as `nice` has it; with any at all it interrupts nobody."""


def restart_delay(deaths: int) -> float:
    """Seconds to wait after so many deaths in short order (1: the first)."""
    return RESTART_AFTER[min(deaths, len(RESTART_AFTER)) - 1]


class Supervisor:
    """Keeps parts running until it is told to stop."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self._logs, self._say = logs, say
        self._watches: list[asyncio.Task[None]] = []
        self._deaths: dict[str, int] = {}
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, part: Part) -> None:
        """Start a part and keep it running; its output goes to `logs/NAME.log`."""
        process = await self._spawn(part)
        self._watches.append(asyncio.create_task(self._keep(part, process)))

    async def stop(self) -> None:
        """End all parts, the last one first; those that don't listen are killed. A cancellation waits for that."""
        ending = asyncio.create_task(self._stop())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _stop(self) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        for process in reversed(self.processes.values()):
            await _end(process)

    async def raise_hopeless(self) -> None:
        """Raise `PartFailed` for a part that dies again and again."""
        for name, deaths in self._deaths.items():
            if deaths >= HOPELESS:
                log = self.log(name)
                raise PartFailed(f"{name} does not start: {await asyncio.to_thread(last_line, log)} (more in {log})")

    def log(self, name: str) -> Path:
        """Where a part's output goes."""
        return self._logs / f"{name}.log"

    async def _spawn(self, part: Part) -> asyncio.subprocess.Process:
        await asyncio.to_thread(self._logs.mkdir, parents=True, exist_ok=True)
        with self.log(part.name).open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *part.argv,
                env=os.environ | part.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C is for us; we pass it on in the right order. No session of its own: Linux shares the cores out
                # between sessions first (autogroup), and `nice` would count for nothing between parts.
                process_group=0,
                preexec_fn=partial(_begin, part.nice),
            )
        self.processes[part.name] = process
        return process

    async def _keep(self, part: Part, process: asyncio.subprocess.Process) -> None:
        while True:
            begun = time.monotonic()
            code = await process.wait()
            lately = 0 if time.monotonic() - begun > CALM_SECONDS else self._deaths.get(part.name, 0)
            self._deaths[part.name] = lately + 1
            last = "" if code < 0 else await asyncio.to_thread(last_line, self.log(part.name))
            self._say(f"{part.name} ended ({_ending(code)}){last and ': '}{last}; starting it again")
            await asyncio.sleep(restart_delay(lately + 1))
            process = await self._spawn_again(part)

    async def _spawn_again(self, part: Part) -> asyncio.subprocess.Process:
        """A machine that is full for a moment must not cost the part."""
        told = False
        while True:
            try:
                return await self._spawn(part)
            except OSError as error:
                if not told:
                    self._say(f"{part.name} can't be started: {error.strerror}; trying again")
                told = True
            await asyncio.sleep(RESTART_AFTER[-1])


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


def last_line(log: Path) -> str:
    """The last that a part said, which is its reason when it has failed; nothing where the log is gone."""
    try:
        with log.open("rb") as lines:
            lines.seek(max(0, log.stat().st_size - TAIL))
            read = lines.read().decode(errors="replace")
    except OSError:
        return ""
    told = [part for line in read.splitlines() for part in _told(line)]
    said = [line.strip() for line in told if line.strip()]
    errors = [line for line in said if "Error" in line or "Exception" in line]
    return (errors or said or [""])[-1]


def _told(line: str) -> list[str]:
    """What a line of the log says to a person: as it is, or the event and the error in it."""
    try:
        told = json.loads(line)
    except ValueError:
        return [line]
    if not isinstance(told, dict) or "event" not in told:
        return [line]
    return [part for name in ("event", "error") if name in told for part in str(told[name]).splitlines()]


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _begin(nice: int) -> None:
    """What a part does before anything else."""
    os.nice(nice)
    if sys.platform == "linux":
        die_with_parent()
        if nice:
            _let_others_finish()


def _let_others_finish() -> None:
    """Have its threads, when they wake, wait for a core instead of taking it from what runs: an interruption costs the
    caches. Linux only."""
    with contextlib.suppress(OSError):  # it may be forbidden, and all works without it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def die_with_parent() -> None:
    """End this process when its parent ends, however that is; Linux only."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # also when we are killed with -9
