"""An operator has Prefect run an ended run once more: its job is retried; Prefect's own recovery retries nothing."""

import sys
import time
from typing import Any

import httpx

from flows.asked import SILENT
from tests.end_to_end.running import SCRIPT, Stack, run

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


def schedule(stack: Stack, flow_run: str, message: str) -> None:
    """As Prefect's UI and its automations do."""
    state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": message}
    answer = httpx.post(f"{stack.prefect}/flow_runs/{flow_run}/set_state", json={"state": state}, timeout=10)
    assert answer.json()["status"] == "ACCEPT", answer.text


def final_state(stack: Stack, flow_run: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while (found := httpx.get(f"{stack.prefect}/flow_runs/{flow_run}", timeout=10).json())["state_type"] not in FINAL:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    state: dict[str, Any] = found["state"]
    return state


def test_retry_in_the_ui_makes_the_scenes_that_failed_and_no_others(stack: Stack) -> None:
    ended = stack.ended(stack.generate(" [moderate:1]"))
    assert (ended["status"], ended["outcome"], ended["run"]) == ("completed", "partial", 1)
    final_state(stack, ended["flowRunId"])

    schedule(stack, ended["flowRunId"], "Retry from the UI")
    job = stack.until(ended["jobId"], lambda job: job["run"] == 2 and job["status"] == "completed")
    assert (job["outcome"], job["flowRunId"]) == ("full", ended["flowRunId"])
    before, after = ended["results"]["scenes"], job["results"]["scenes"]
    assert [scene["generationId"] for scene in after if scene["sceneNumber"] != 2] == [
        before[0]["generationId"],
        before[2]["generationId"],
    ]
    assert round(job["cost"]["spentUsd"] / ended["cost"]["spentUsd"], 3) == round(4 / 3, 3)
    assert final_state(stack, job["flowRunId"])["type"] == "COMPLETED"


def test_prefects_command_retries_a_failed_job_and_a_late_heartbeat_does_not(stack: Stack) -> None:
    script = SCRIPT.replace("bottle", "[moderate:1] bottle").replace("{tag}", " once more [moderate:1]")
    job_id = stack.generate(script=script.replace("dawn", "[moderate:1] dawn"))
    ended = stack.ended(job_id)
    assert (ended["status"], ended["run"]) == ("failed", 1)
    assert final_state(stack, ended["flowRunId"])["type"] == "FAILED"

    schedule(stack, ended["flowRunId"], SILENT)
    assert final_state(stack, ended["flowRunId"])["type"] == "FAILED"
    assert stack.job(job_id) == ended

    env = stack.env | {"PREFECT_API_URL": stack.prefect}
    said = run(sys.executable, "-m", "prefect", "flow-run", "retry", ended["flowRunId"], env=env)
    assert said.returncode == 0, said.stdout + said.stderr
    job = stack.until(job_id, lambda job: job["run"] == 2 and job["status"] == "completed")
    assert job["outcome"] == "full"
    assert final_state(stack, ended["flowRunId"])["type"] == "COMPLETED"
