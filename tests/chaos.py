"""Real processes killed for real: `python -m tests.chaos --rounds 10`, with the sandbox's faults on.

Each round sends jobs, kills worker, API and Prefect server with -9 at random moments (alone, together, while they
recover), lets everything come to rest, and reconciles the ledger with the sandbox's charges.
"""

import argparse
import random
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from tests.end_to_end.running import ENDED, Stack, start, stop

PARTS: Final = ("worker", "api", "prefect")
VICTIMS: Final = [combination for size in (1, 2, 3) for combination in combinations(PARTS, size)]
SCENES: Final = 4
REST_SECONDS: Final = 240
QUICK: Final = {
    "generation_seconds": 2.0,
    "dream_machine_creates_per_minute": 0,
    "clips": "cached",
    "callback_drop_rate": 0.3,
    "callback_double_rate": 0.2,
    "list_lag_seconds": 0.5,
    "error_rate": 0.05,
    "failure_rate": 0.03,
}
LOST: Final = {"kind": "drop", "wire": "dream-machine", "operation": "create", "carried_out": True}


@dataclass
class Job:
    """An accepted job and all that was ever seen of it."""

    id: str
    seen: list[dict[str, Any]] = field(default_factory=list)

    def see(self, answer: dict[str, Any]) -> None:
        """Take note of an answer; it must follow from the one before."""
        if self.seen:
            before = self.seen[-1]
            assert answer["revision"] >= before["revision"], f"revision fell: {before} {answer}"
            assert answer["run"] > before["run"] or answer["progress"] >= before["progress"], "progress fell"
            assert before["status"] not in ENDED or answer["status"] == before["status"], "an ended job moved"
        self.seen.append({name: answer[name] for name in ("status", "revision", "run", "progress")})

    @property
    def ended(self) -> bool:
        """Nothing more will happen to it."""
        return bool(self.seen) and self.seen[-1]["status"] in ENDED


@dataclass
class Round:
    """What one round came to."""

    jobs: int = 0
    kills: int = 0
    charges: int = 0
    twice: int = 0
    unknown: int = 0
    lost: int = 0
    recovery: float = 0.0
    seconds: float = 0.0

    @property
    def well(self) -> bool:
        """Nothing lost and nothing paid twice."""
        return not (self.twice or self.lost)


def script(number: int) -> str:
    """A script of as many scenes as there are paragraphs, different for every job."""
    words = "boats rock in the harbour while gulls circle over the pier and the town wakes to a grey and windy day"
    return "\n\n".join(f"In story {number} scene {scene} {words}." for scene in range(SCENES))


def accept(stack: Stack, number: int, jobs: list[Job]) -> None:
    """Send a job until it is accepted, under one key: what answers 202 counts, however often it was sent."""
    key, body = str(uuid4()), {"script": script(number), "options": {"resolution": "540p"}}
    while True:
        with suppress(httpx.TransportError):
            answer = httpx.post(f"{stack.api}/api/generate", json=body, headers={"Idempotency-Key": key}, timeout=10)
            if answer.status_code == httpx.codes.ACCEPTED:
                jobs.append(Job(answer.json()["jobId"]))
                return
        time.sleep(0.1)


def look(stack: Stack, jobs: list[Job]) -> None:
    """Poll every job that has not ended, as its page would."""
    for job in [job for job in jobs if not job.ended]:
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{stack.api}/api/job/{job.id}", timeout=10)
            if answer.is_success:
                job.see(answer.json())
            assert answer.status_code != httpx.codes.NOT_FOUND, f"accepted job {job.id} is gone"


def kill(stack: Stack, names: tuple[str, ...]) -> int:
    """`kill -9` of some parts at once → how many were there to be killed."""
    killed = 0
    for name in names:
        with suppress(StopIteration, psutil.NoSuchProcess):
            stack.part(name).kill()
            killed += 1
    return killed


def recovery(stack: Stack) -> float:
    """Seconds until a job would run again."""
    begun = time.monotonic()
    while time.monotonic() - begun < REST_SECONDS:
        with suppress(httpx.TransportError):
            if httpx.get(f"{stack.api}/api/ready", timeout=10).is_success:
                break
        time.sleep(0.2)
    return time.monotonic() - begun


def play(stack: Stack, rng: random.Random, jobs_per_round: int, kills: int) -> Round:
    """One round."""
    begun, result, jobs = time.monotonic(), Round(jobs=jobs_per_round), list[Job]()
    lost = LOST | {"nth": rng.randint(1, 6)}
    httpx.post(f"{stack.sandbox}/_sandbox/faults", json=lost, timeout=10).raise_for_status()
    numbers = [rng.randrange(10**9) for _ in range(jobs_per_round)]
    senders = [threading.Thread(target=accept, args=(stack, number, jobs)) for number in numbers]
    for sender in senders:
        sender.start()
    for _ in range(kills):
        pause = time.monotonic() + rng.uniform(0.2, 6)
        while time.monotonic() < pause:
            look(stack, jobs)
            time.sleep(0.2)
        result.kills += kill(stack, rng.choice(VICTIMS))
        if rng.random() < 0.5:  # else the next kill falls into the recovery
            result.recovery = max(result.recovery, recovery(stack))
    for sender in senders:
        sender.join()
    result.recovery = max(result.recovery, recovery(stack))
    while not all(job.ended for job in jobs) and time.monotonic() - begun < REST_SECONDS:
        look(stack, jobs)
        time.sleep(0.5)
    result.lost = sum(not job.ended for job in jobs)
    result.charges, result.twice, result.unknown = reconcile(stack)
    result.seconds = time.monotonic() - begun
    return result


def reconcile(stack: Stack) -> tuple[int, int, int]:
    """Charges at the sandbox, those of them that no attempt owns, and attempts that wait for a person."""
    charged = httpx.get(f"{stack.sandbox}/_sandbox/charges", timeout=30).json()["charges"]
    with closing(sqlite3.connect(f"file:{stack.data / 'storyreel.db'}?mode=ro", uri=True)) as ledger:
        known = {row[0] for row in ledger.execute("SELECT generation_id FROM attempts WHERE generation_id IS NOT NULL")}
        unknown = ledger.execute("SELECT count(*) FROM attempts WHERE state = 'unknown'").fetchone()[0]
    ids = [charge["generation_id"] for charge in charged]
    assert known <= set(ids), "the ledger knows a generation that was never charged"
    return len(ids), len(ids) - len(known), unknown


def table(rounds: list[Round]) -> Table:
    """All rounds, and their sum."""
    shown = Table("round", "jobs", "kills", "charges so far", "twice", "unknown", "lost", "longest recovery", "seconds")
    for number, one in enumerate(rounds, 1):
        row = (one.jobs, one.kills, one.charges, one.twice, one.unknown, one.lost)
        shown.add_row(str(number), *map(str, row), f"{one.recovery:.1f} s", f"{one.seconds:.0f}")
    return shown


def main() -> int:
    """Play rounds on a stack of their own → 0 when nothing was lost or paid twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=4, help="per round")
    parser.add_argument("--kills", type=int, default=3, help="per round")
    parser.add_argument("--seed", type=int, default=None)
    chosen = parser.parse_args()
    seed = chosen.seed if chosen.seed is not None else random.randrange(10**6)
    console, rng, rounds = Console(), random.Random(seed), list[Round]()
    console.print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="storyreel-chaos-") as folder:
        stack = start(Path(folder), STORYREEL_LUMA_CREATES_PER_MINUTE="0")
        try:
            httpx.put(f"{stack.sandbox}/_sandbox/config", json=QUICK, timeout=10).raise_for_status()
            for _ in range(chosen.rounds):
                rounds.append(play(stack, rng, chosen.jobs, chosen.kills))
                console.print(f"round {len(rounds)}: {rounds[-1]}")
        finally:
            console.print(table(rounds))
            stop(stack)
    return 0 if all(one.well for one in rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
