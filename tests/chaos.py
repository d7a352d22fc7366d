"""Real processes killed for real: `python -m tests.chaos --rounds 10`, with the sandbox's faults on.

Each round sends jobs, kills worker, API and Prefect server with -9 at random moments (alone, together, while they
recover), lets everything come to rest, and reconciles the ledger with the sandbox's charges.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from tests.end_to_end.books import books
from tests.end_to_end.postgres import on_postgres, postgres
from tests.end_to_end.running import ENDED, Stack, owner_pid, start, stop

PARTS: Final = ("worker", "api", "prefect")
VICTIMS: Final = [combination for size in (1, 2, 3) for combination in combinations(PARTS, size)]
SCENES: Final = 4
REST_SECONDS: Final = 240.0
"""For all jobs to end after the last kill: an intent that never reached Luma is looked for during 90 of them."""
CANCELLED: Final = 0.2  # share of the jobs that somebody cancels
QUICK: Final = {
    "generation_seconds": 3.0,
    "submit_seconds": 0.2,  # so that kills meet creates on their way
    "dream_machine_creates_per_minute": 0,
    "clips": "cached",
    "callback_drop_rate": 0.3,
    "callback_double_rate": 0.2,
    "callback_delay_rate": 0.1,
    "list_lag_seconds": 0.5,
    "error_rate": 0.05,
    "failure_rate": 0.03,
}
CREATE: Final = {"wire": "dream-machine", "operation": "create"}
SLOW: Final = 10
"""Seconds after a kill within which everything should be at work again."""
SPOILT: Final[list[dict[str, Any]]] = [
    {"kind": "drop", "carried_out": True},
    {"kind": "status", "status": 502, "carried_out": True},
    {"kind": "drop"},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
    {"kind": "late", "seconds": 3},
]
"""What happens to some creates of every round."""


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
            assert answer["run"] > before["run"] or answer["progress"] >= before["progress"], (
                f"progress fell: {before} {answer}"
            )
            assert before["status"] not in ENDED or answer["status"] == before["status"], (
                f"an ended job moved: {before} {answer}"
            )
        self.seen.append({name: answer[name] for name in ("status", "revision", "run", "progress", "currentStep")})

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
    """Send a job until it is accepted, and then once more under the same key: that is the same job."""
    key, body = str(uuid4()), {"script": script(number), "options": {"resolution": "540p"}}
    accepted: list[str] = []
    while len(accepted) < 2:
        with suppress(httpx.TransportError):
            answer = httpx.post(f"{stack.api}/api/generate", json=body, headers={"Idempotency-Key": key}, timeout=10)
            if answer.is_success:
                accepted.append(answer.json()["jobId"])
                continue
        time.sleep(0.1)
    assert len(set(accepted)) == 1, f"one key, two jobs: {accepted}"
    jobs.append(Job(accepted[0]))


def look(stack: Stack, jobs: list[Job]) -> None:
    """Poll every job that has not ended, as its page would."""
    for job in [job for job in jobs if not job.ended]:
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{stack.api}/api/job/{job.id}", timeout=10)
            if answer.is_success:
                job.see(answer.json())
            assert answer.status_code != httpx.codes.NOT_FOUND, f"accepted job {job.id} is gone"


def cancel(stack: Stack, job: Job) -> None:
    """Somebody changes their mind; whether the API hears it is part of the game."""
    with suppress(httpx.TransportError):
        httpx.post(f"{stack.api}/api/job/{job.id}/cancel", timeout=10)


def kill(stack: Stack, names: tuple[str, ...]) -> int:
    """`kill -9` of some parts at once → how many were there to be killed."""
    killed = 0
    for name in names:
        with suppress(StopIteration, psutil.NoSuchProcess):
            stack.part(name).kill()
            killed += 1
    return killed


def idle(stack: Stack) -> str:
    """What is not at work: a part that does not answer, or a run that no living worker runs; empty: nothing."""
    runs = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "SCHEDULED"]}}}}
    try:
        httpx.get(f"{stack.api}/api/health", timeout=5).raise_for_status()
        found = httpx.post(f"{stack.prefect}/flow_runs/filter", json=runs, timeout=5).raise_for_status()
        worker = stack.part("worker").pid
    except (httpx.HTTPError, StopIteration, psutil.NoSuchProcess) as error:
        return repr(error)
    waiting = [run for run in found.json() if owner_pid(run["state"]) != worker]
    return ", ".join(f"{run['id']} {run['state_name']} ({run['state']['message']})" for run in waiting)


def recovery(stack: Stack) -> float:
    """Seconds until every job that was begun is run again; tells what took long."""
    begun, told = time.monotonic(), SLOW
    while waits := idle(stack):
        if time.monotonic() - begun > told:
            print(f"  {told} s after the kill: {waits}", flush=True)  # noqa: T201 - this is for a terminal
            told += SLOW
        assert time.monotonic() - begun < REST_SECONDS, f"no recovery: {stack.logs()}"
        time.sleep(0.1)
    return time.monotonic() - begun


def spoil(stack: Stack, rng: random.Random, creates: int) -> None:
    """Put this round's faults in force."""
    faults = [spoilt | CREATE | {"nth": rng.randint(1, creates)} for spoilt in SPOILT]
    httpx.post(f"{stack.sandbox}/_sandbox/faults", json={"faults": faults}, timeout=10).raise_for_status()


def play(stack: Stack, rng: random.Random, jobs_per_round: int, kills: int) -> Round:
    """One round."""
    begun, result, jobs = time.monotonic(), Round(jobs=jobs_per_round), list[Job]()
    before = books(stack).charges
    spoil(stack, rng, jobs_per_round * SCENES)
    numbers = [rng.randrange(10**9) for _ in range(jobs_per_round)]
    senders = [threading.Thread(target=accept, args=(stack, number, jobs)) for number in numbers]
    for sender in senders:
        sender.start()
    for _ in range(kills):
        pause = time.monotonic() + rng.uniform(0.2, 6)
        while time.monotonic() < pause:
            look(stack, jobs)
            time.sleep(0.2)
        result.kills += kill(stack, victims := rng.choice(VICTIMS))
        print(f"  killed {' and '.join(victims)}", flush=True)  # noqa: T201
        if jobs and rng.random() < CANCELLED * jobs_per_round / kills:
            cancel(stack, rng.choice(jobs))
        if rng.random() < 0.5:  # else the next kill falls into the recovery
            result.recovery = max(result.recovery, recovery(stack))
    result.recovery = max(result.recovery, recovery(stack))
    for sender in senders:
        sender.join()
    rest = time.monotonic() + REST_SECONDS
    while len(jobs) < jobs_per_round or not all(job.ended for job in jobs):
        look(stack, jobs)
        if time.monotonic() > rest:
            break
        time.sleep(0.5)
    result.lost = jobs_per_round - sum(job.ended for job in jobs)
    found = books(stack)
    result.charges, result.twice, result.unknown = found.charges - before, found.twice, found.unknown
    result.seconds = time.monotonic() - begun
    if not result.well:
        raise Broken(result, f"{found}\n{[(job.id, job.seen[-1:]) for job in jobs if not job.ended]}\n{stack.logs()}")
    return result


class Broken(AssertionError):
    """A round that lost a job or paid twice, and what is known of it."""

    def __init__(self, result: Round, story: str) -> None:
        super().__init__(story)
        self.result = result


def table(rounds: list[Round]) -> Table:
    """All rounds, and their sum."""
    heads = ("round", "jobs", "kills", "charges", "twice", "unknown", "lost", "longest recovery", "seconds")
    shown = Table(*heads, show_footer=False)
    for number, one in enumerate(rounds, 1):
        shown.add_row(str(number), *_cells(one))
    total = Round(
        *(sum(getattr(one, name) for one in rounds) for name in ("jobs", "kills", "charges")),
        *(max((getattr(one, name) for one in rounds), default=0) for name in ("twice", "unknown")),  # so far, each
        sum(one.lost for one in rounds),
        max((one.recovery for one in rounds), default=0.0),
        sum(one.seconds for one in rounds),
    )
    shown.add_section()
    shown.add_row("all", *_cells(total))
    return shown


def _cells(one: Round) -> list[str]:
    counts = (one.jobs, one.kills, one.charges, one.twice, one.unknown, one.lost)
    return [*map(str, counts), f"{one.recovery:.1f} s", f"{one.seconds:.0f}"]


def chaos(  # noqa: PLR0917 - as the command line has them
    folder: Path, console: Console, rounds: int, jobs: int, kills: int, seed: int, **env: str
) -> list[Round]:
    """Play rounds on a stack of their own. Raises `Broken` when a job was lost or a scene paid twice."""
    console.print(f"seed {seed}")
    rng, played = random.Random(seed), list[Round]()
    stack = start(folder, STORYREEL_LUMA_CREATES_PER_MINUTE="0", **env)
    try:
        httpx.put(f"{stack.sandbox}/_sandbox/config", json=QUICK, timeout=10).raise_for_status()
        for _ in range(rounds):
            played.append(play(stack, rng, jobs, kills))
            console.print(f"round {len(played)}: {played[-1]}")
    except Broken as error:
        played.append(error.result)
        raise
    finally:
        console.print(table(played))
        stop(stack)
    return played


def main() -> int:
    """Play rounds as the command line says → 0 when nothing was lost or paid twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=4, help="per round")
    parser.add_argument("--kills", type=int, default=3, help="per round")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--ledger", choices=["sqlite", "postgresql"], default="sqlite")
    chosen = parser.parse_args()
    console = Console(width=120)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="storyreel-chaos-")))
        ledger = {}
        if chosen.ledger == "postgresql":
            ledger = on_postgres(opened.enter_context(postgres(folder / "postgres")), folder)
        try:
            chaos(folder / "stack", console, chosen.rounds, chosen.jobs, chosen.kills, chosen.seed, **ledger)
        except Broken as error:
            console.print(str(error), markup=False)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
