"""The running stack as an operator watches it: `/metrics` of the API has the worker's numbers, and logs have ids."""

import json
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deployments.stack import environment
from tasks.settings import Settings
from tests.end_to_end.running import Stack, free_port

WORDS = re.compile("lighthouse|keeper|bottle|lamplight|log book|lantern", re.IGNORECASE)


def numbers(address: str) -> dict[str, float]:
    """Every sample by its name and the values of its labels."""
    text = httpx.get(f"{address}/metrics", timeout=10).raise_for_status().text
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_apis_metrics_hold_what_the_worker_counts(stack: Stack) -> None:
    before = numbers(stack.api)
    job_id = stack.generate(" [slow]")
    stack.until(job_id, lambda job: job["counts"]["generating"] == 3 and job["cost"]["spentUsd"] > 2)
    during = numbers(stack.api)
    assert during["storyreel_gate_slots_held"] >= 3
    assert during["storyreel_jobs processing"] >= 1
    assert during["storyreel_scenes generating"] >= 3
    stack.ended(job_id)
    after = numbers(stack.api)

    def rise(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert rise("storyreel_submissions_total taken") == rise("storyreel_gate_wait_seconds_count") == 3
    assert rise("storyreel_generation_seconds_count ray-2") == 3
    assert rise("storyreel_jobs_accepted_total") == rise("storyreel_jobs_ended_total completed") == 1
    assert rise("storyreel_charged_usd_total") > 0
    assert rise("storyreel_reconciles_total") > 0
    assert after["storyreel_reconcile_lag_seconds"] < 30
    assert after["storyreel_gate_slots_held"] == 0
    assert not [name for name in after if not name.startswith("storyreel_")]


def test_what_a_dead_worker_held_is_held_no_longer_and_what_it_counted_stays(stack: Stack) -> None:
    job_id = stack.generate(" [slow]")
    stack.until(job_id, lambda job: job["counts"]["generating"] == 3 and job["cost"]["spentUsd"] > 2)
    before = numbers(stack.api)
    worker = stack.part("worker")
    worker.kill()
    worker.wait(10)
    after = numbers(stack.api)
    assert (before["storyreel_gate_slots_held"], after["storyreel_gate_slots_held"]) == (3, 0)
    assert after["storyreel_submissions_total taken"] >= before["storyreel_submissions_total taken"] >= 3
    stack.ended(job_id)


def test_the_logs_of_api_and_worker_are_lines_of_json_without_a_word_of_the_script(stack: Stack) -> None:
    job_id = stack.generate(" [moderate]")
    job = stack.ended(job_id)
    for name in ("api", "worker"):
        text = (stack.data / "logs" / f"{name}.log").read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        assert not WORDS.findall(text), WORDS.findall(text)
        assert "callback/" not in text.replace("callback/{token}", "").replace("callback/…", "")
        ours = [line for line in lines if line.get("job") == job_id]
        assert ours
        assert {line["flow_run"] for line in ours if "flow_run" in line} == {job["flowRunId"]}
    prefects = [line for line in ours if line["logger"].startswith("prefect")]
    assert {"prefect.flow_runs", "prefect.task_runs"} <= {line["logger"] for line in prefects}
    assert all(line["flow_run"] == job["flowRunId"] for line in prefects)
    asked = {"logs": {"flow_run_id": {"any_": [job["flowRunId"]]}}}
    kept = httpx.post(f"{stack.prefect}/logs/filter", json=asked, timeout=10).json()
    assert any("Beginning flow run" in line["message"] for line in kept)  # the UI still shows them


def test_a_worker_of_its_own_answers_on_the_port_it_is_told(
    stack: Stack, new_processes: Callable[..., AbstractContextManager[Any]]
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "deployments.cli", "worker", "--name", "apart", "--metrics-port", str(port)]
    told = environment(Settings(data=stack.data, _env_file=None), stack.addresses)  # type: ignore[call-arg]
    with new_processes(told) as processes:
        processes.start(*command, name="apart").wait_for("started!")
        found = numbers(f"http://127.0.0.1:{port}")
    assert found["storyreel_gate_slots_held"] == 0
    assert "storyreel_jobs queued" not in found  # the API's
