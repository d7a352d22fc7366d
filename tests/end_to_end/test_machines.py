"""Every part by itself, as on several machines: PostgreSQL, Prefect's own server, two API processes, two workers."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.books import attempts, books
from tests.end_to_end.cluster import Cluster, cluster
from tests.end_to_end.running import Stack, clean_env, free_port, run, within

SLOTS = 4
JOBS = 6
SCENES = 3
BIN = Path(sys.executable).parent


@dataclass
class House:
    """Two ways in, and whatever stands behind both."""

    first: Stack
    second: Stack
    workers: list[subprocess.Popen[bytes]]

    def sandbox(self, what: str) -> dict[str, object]:
        answer: dict[str, object] = httpx.get(f"{self.first.sandbox}/_sandbox/{what}", timeout=10).json()
        return answer


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, timeout=5).is_success
    return False


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as open_, cluster() as postgres:
        yield _house(open_, postgres, tmp_path_factory.mktemp("machines"))


def _house(open_: ExitStack, postgres: Cluster, data: Path) -> House:
    ports = {name: free_port() for name in ("first", "second", "prefect", "sandbox")}
    env = clean_env(data) | {
        "PREFECT_API_URL": f"http://127.0.0.1:{ports['prefect']}/api",
        "PREFECT_API_DATABASE_CONNECTION_URL": postgres.prefect,
        "PREFECT_HOME": str(data / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "STORYREEL_DATABASE_URL": postgres.ledger,
        "STORYREEL_PUBLIC_URL": f"http://127.0.0.1:{ports['second']}",
        "STORYREEL_LUMA_CONCURRENCY": str(SLOTS),
        "STORYREEL_LUMA_CREATES_PER_MINUTE": "0",
        "LUMAAI_API_KEY": "luma-machines",
        "LUMAAI_BASE_URL": f"http://127.0.0.1:{ports['sandbox']}/dream-machine/v1",
    }
    begin = _beginner(open_, data, env)
    begin("prefect", BIN / "prefect", "server", "start", "--port", str(ports["prefect"]))
    limits = f'{{"generation_seconds": 2, "dream_machine_concurrency": {SLOTS}, "dream_machine_creates_per_minute": 0}}'
    begin("sandbox", BIN / "storyreel", "sandbox", "--port", str(ports["sandbox"]), "--config", limits)
    _succeeds(BIN / "storyreel", "migrate", env=env)
    with within(120) as until:
        until(lambda: answers(f"{env['PREFECT_API_URL']}/health"))
    _succeeds(BIN / "storyreel", "deploy", env=env)
    ways_in = [
        Stack(
            begin(name, BIN / "storyreel", "api", "--port", str(ports[name])),
            data,
            ports[name],
            ports["prefect"],
            ports["sandbox"],
            env,
        )
        for name in ("first", "second")
    ]
    workers = [
        begin("worker-1", BIN / "storyreel", "worker", "--name", "worker-1"),
        begin("worker-2", BIN / "prefect", "worker", "start", "--pool", "storyreel", "--name", "worker-2"),
    ]
    with within(60) as until:
        until(lambda: all(answers(f"{one.api}/api/ready") for one in ways_in))
        until(lambda: all("started!" in (data / "logs" / f"worker-{n}.log").read_text() for n in (1, 2)))
    return House(*ways_in, workers)


def _beginner(open_: ExitStack, data: Path, env: dict[str, str]) -> Callable[..., subprocess.Popen[bytes]]:
    (data / "logs").mkdir()

    @contextmanager
    def process(name: str, *command: object) -> Iterator[subprocess.Popen[bytes]]:
        with (data / "logs" / f"{name}.log").open("wb") as said:
            begun = subprocess.Popen([*map(str, command)], env=env, cwd=data, stdout=said, stderr=said)
        try:
            yield begun
        finally:
            begun.terminate()
            with suppress(subprocess.TimeoutExpired):
                begun.wait(20)
            begun.kill()
            begun.wait()

    return lambda name, *command: open_.enter_context(process(name, *command))


def _succeeds(*command: object, env: dict[str, str]) -> None:
    done = run(*map(str, command), env=env)
    assert done.returncode == 0, done.stderr


def test_films_are_made_wherever_they_are_asked_for(house: House) -> None:
    jobs = [(house.first, house.second)[number % 2].generate(f" {number}") for number in range(JOBS)]
    ended = [house.first.ended(job) for job in jobs]
    assert [(job["status"], job["outcome"], job["run"]) for job in ended] == [("completed", "full", 1)] * JOBS
    assert [house.second.job(job) for job in jobs] == ended
    assert len({house.first.job(job)["flowRunId"] for job in jobs}) == JOBS
    for job in ended:
        film = httpx.get(f"{house.second.api}{job['results']['film']['videoUrl']}", timeout=30)
        assert film.content[4:8] == b"ftyp"


def test_luma_had_to_refuse_nothing_and_was_kept_busy(house: House) -> None:
    stats = house.sandbox("stats")
    assert stats["refused_429"] == 0
    assert stats["max_concurrent"] == SLOTS
    assert books(house.first).check().charges == len(attempts(house.first)) == JOBS * SCENES


def test_both_workers_made_films(house: House) -> None:
    logs = [(house.first.data / "logs" / f"worker-{number}.log").read_text() for number in (1, 2)]
    assert all("Completed" in log for log in logs), logs


def test_a_key_is_one_job_at_both_doors_at_once(house: House) -> None:
    body = {"script": "A fox crosses the frozen lake at night while the village sleeps under the snow and nobody sees."}

    def ask(door: Stack) -> str:
        answer: str = door.ask("POST", "/api/generate", json=body, headers={"Idempotency-Key": "at-once"})["jobId"]
        return answer

    doors = [house.first, house.second] * 4
    with ThreadPoolExecutor(len(doors)) as pool:
        assert len(set(pool.map(ask, doors))) == 1
    assert house.first.ended(ask(house.second))["status"] == "completed"


def test_a_worker_that_stops_hands_its_films_to_the_other(house: House) -> None:
    jobs = [house.second.generate(f" [slow:8] again {number}") for number in range(JOBS // 2)]
    for job in jobs:
        house.first.until(job, lambda job: job["cost"]["spentUsd"] > 0)
    house.workers[1].terminate()
    assert house.workers[1].wait(30) == 0
    assert {house.first.ended(job)["status"] for job in jobs} == {"completed"}
    books(house.first).check()
