"""What goes wrong, by chance but from a seed: how often, at which edge, and for how long something is away."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

from tests.simulation.processes import Process


class Commit(StrEnum):
    """What becomes of a commit."""

    WELL = "well"
    CRASH_BEFORE = "crash before commit"
    CRASH_AFTER = "crash after commit"
    REFUSED = "disk is full"
    ANSWER_LOST = "commit's answer lost"


class Call(StrEnum):
    """What becomes of a call to Luma."""

    WELL = "well"
    CRASH_BEFORE = "crash before call"
    CRASH_AFTER = "crash after call"
    REFUSED = "connection refused"
    NEVER_ARRIVED = "request lost"
    ANSWER_LOST = "answer lost"
    ERROR_BEFORE = "5xx, nothing done"
    ERROR_AFTER = "5xx, done"
    TOO_MANY = "429"
    GARBAGE = "garbage answered, done"
    SLOW = "slow"


_RATES: Final = (0.0, 0.0, 0.03, 0.15)
_CRASHES: Final = (0.0, 0.0, 0.01, 0.06)


@dataclass
class Weather:
    """Chances, drawn from the seed, and what is away just now."""

    random: Random
    log: Callable[[str], None]
    calm: bool = False
    """Nothing goes wrong any more."""
    database_away: bool = False
    luma_away: bool = False
    prefect_away: bool = False
    disk_full: bool = False
    account: int | None = None
    """The status that Luma refuses everything of this account with."""
    commits: dict[Commit, float] = field(default_factory=dict)
    calls: dict[Call, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        draw = self.random.choice
        self.commits = {
            fate: draw(_CRASHES if fate.startswith("crash") else _RATES) for fate in Commit if fate is not Commit.WELL
        }
        self.calls = {
            fate: draw(_CRASHES if fate.startswith("crash") else _RATES) for fate in Call if fate is not Call.WELL
        }

    def clear(self) -> None:
        """Everything works from now on."""
        self.calm = True
        self.database_away = self.luma_away = self.prefect_away = self.disk_full = False
        self.account = None

    # The database

    def database_delay(self) -> float:
        """Seconds to wait for a lock."""
        slow = not self.calm and self.random.random() < 0.02
        return self.random.uniform(0.5, 8) if slow else self.random.uniform(0.0005, 0.02)

    def database_here(self) -> None:
        """Raise what a driver raises when there is no database."""
        if self.database_away:
            raise sqlite3.OperationalError("database is locked")

    def commit(self, process: Process) -> Commit:
        """What becomes of this commit."""
        fate = self._fate(self.commits, Commit.WELL)
        if fate is not Commit.WELL:
            self.log(f"{process.name}: {fate}")
        return fate

    # Luma

    def call(self, process: Process, what: str) -> Call:
        """What becomes of this call."""
        fate = Call.REFUSED if self.luma_away else self._fate(self.calls, Call.WELL)
        if fate is not Call.WELL:
            self.log(f"{process.name}: {what}: {fate}")
        return fate

    def _fate(self, chances: dict[StrEnum, float], well: StrEnum) -> StrEnum:
        if self.calm:
            return well
        dice = self.random.random()
        for fate, chance in chances.items():
            dice -= chance
            if dice < 0:
                return fate
        return well

    async def latency(self) -> None:
        """A moment on the way."""
        await asyncio.sleep(self.random.uniform(0.005, 0.3))
