"""Which process it is that holds something, and whether it lives."""

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil

_CLOCK_SLACK: Final = 2.0  # seconds; a process's start is computed from the boot time, which clock changes move
_MARK: Final = re.compile(r"(?P<name>.+) at (?P<host>\S+) \((?P<space>\w+)/(?P<pid>\d+)/(?P<started>[\d.]+)\)")


@dataclass(frozen=True)
class Owner:
    """A process, and how others see whether it lives; travels as text with what is its own."""

    name: str
    host: str
    space: str
    """Where `pid` means something: one boot of one machine, one container."""
    pid: int
    started: float
    """Start of the process, seconds since the epoch: tells it from a later one with the same `pid`."""

    @classmethod
    def here(cls, name: str) -> Self:
        """This process, under this name."""
        process = psutil.Process()
        return cls(name, socket.gethostname(), _process_space(), process.pid, round(process.create_time(), 2))

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Who is written there; None when it is nobody."""
        found = _MARK.fullmatch(text or "")
        if not found:
            return None
        return cls(found["name"], found["host"], found["space"], int(found["pid"]), float(found["started"]))

    def __str__(self) -> str:
        return f"{self.name} at {self.host} ({self.space}/{self.pid}/{self.started})"

    def alive(self) -> bool:
        """Whether the process still runs; only its own process space can tell."""
        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - self.started) < _CLOCK_SLACK
        except psutil.NoSuchProcess:
            return False

    def gone(self) -> bool:
        """Whether it surely has ended; that of another machine or container never is."""
        return self.space == _process_space() and not self.alive()


def _process_space() -> str:
    """Name the set of processes that this one can see, twelve hex digits."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    pids = Path("/proc/self/ns/pid")
    parts = [socket.gethostname(), boot.read_text() if boot.exists() else ""]
    parts.append(os.readlink(pids) if pids.is_symlink() else "")  # noqa: PTH115 -- not a path: "pid:[4026531836]"
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
