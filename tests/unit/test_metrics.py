"""Instruments: shared by the processes of one machine, told by whoever is scraped, and all of them documented."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.records.standing import Standing
from api.scrape import Now
from api.states import LIVE, SceneStatus
from tasks import metrics

ROOT = Path(__file__).parents[2]
COUNT = """
from tasks import metrics
metrics.POLLS.labels("list").inc(3)
metrics.GATE_HELD.set(2)
metrics.SLOT_WAIT.observe(4)
"""
WAIT = f"{COUNT}\nprint('counted', flush=True)\nimport time\ntime.sleep(60)"
SHOW = """
from prometheus_client import generate_latest
from tasks import metrics
print(generate_latest(metrics.registry()).decode())
"""


def child(code: str, folder: Path) -> subprocess.Popen[str]:
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], env=env, text=True, stdout=subprocess.PIPE)


def shown(folder: Path) -> dict[str, float]:
    with child(SHOW, folder) as shows:
        text, _ = shows.communicate(timeout=60)
    families = text_string_to_metric_families(text)
    return {" ".join([one.name, *one.labels.values()]): one.value for family in families for one in family.samples}


def test_processes_of_one_machine_are_told_together_and_the_dead_hold_nothing(tmp_path: Path) -> None:
    with child(WAIT, tmp_path) as waits:
        assert waits.stdout
        assert waits.stdout.readline() == "counted\n"
        with child(COUNT, tmp_path) as ends:
            assert ends.wait(60) == 0
        found = shown(tmp_path)
        assert found["storyreel_polls_total list"] == 6
        assert found["storyreel_gate_wait_seconds_count"] == 2
        assert found["storyreel_gate_wait_seconds_sum"] == 8
        assert found["storyreel_gate_slots_held"] == 2
        waits.kill()
    found = shown(tmp_path)
    assert (found["storyreel_polls_total list"], found["storyreel_gate_slots_held"]) == (6, 0)


def test_counting_costs_next_to_nothing() -> None:
    begun = time.perf_counter()
    for _ in range(10_000):
        metrics.REQUESTS.labels("GET", "/api/job/{job_id}", 200).inc()
    assert (time.perf_counter() - begun) / 10_000 < 50e-6


def told() -> set[str]:
    """Names of all metrics, as they stand in a scrape."""
    made = metrics.registry()
    standing = Standing(dict.fromkeys(LIVE, 0), dict.fromkeys(SceneStatus, 0), 0.0, 0)
    made.register(Now(standing, 0.0))
    return set(re.findall(r"^# TYPE (\w+) \w+$", generate_latest(made).decode(), re.MULTILINE))


def test_every_metric_stands_in_the_operators_page_and_nothing_else() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    assert set(re.findall(r"^\| `(storyreel_\w+)", page, re.MULTILINE)) == told()


@pytest.mark.parametrize("name", sorted(told()))
def test_names_follow_the_fields_conventions_and_help_is_a_sentence(name: str) -> None:
    text = generate_latest(metrics.registry()).decode()
    assert re.fullmatch(r"storyreel(_[a-z]+)+", name)
    for says in re.findall(rf"^# HELP {name} (.*)$", text, re.MULTILINE):
        assert says[0].isupper()
        assert says.endswith(".")
