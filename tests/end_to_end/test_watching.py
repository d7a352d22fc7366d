"""The running stack as an operator watches it: its logs have ids, and not a word of a script."""

import json
import re

import httpx

from tests.end_to_end.running import Stack

WORDS = re.compile("lighthouse|keeper|bottle|lamplight|log book|lantern", re.IGNORECASE)


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
