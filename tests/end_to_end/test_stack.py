"""The stack as its people use it: API, terminal, Prefect's command, and its parts killed."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import av
import httpx
import pytest
from prefect.events import Event
from prefect.events.subscribers import FlowRunSubscriber
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.stack import environment
from tasks.settings import Settings
from tests.end_to_end.running import ROOT, SCRIPT, Stack, clean_env, free_port, run, start, stop, within


def test_a_script_becomes_a_film_that_plays(stack: Stack) -> None:
    begun = stack.ask("POST", "/api/generate", json={"script": SCRIPT.replace("{tag}", "")})
    assert begun["status"] == "queued"
    job = stack.ended(begun["jobId"])
    assert (job["status"], job["outcome"], job["progress"]) == ("completed", "full", 100)
    film = httpx.get(f"{stack.api}{job['results']['film']['videoUrl']}", timeout=30).content
    path = stack.data / "downloaded.mp4"
    path.write_bytes(film)
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
        assert "AI-generated" in container.metadata["comment"]
    assert frames == pytest.approx(24 * 27, abs=3)
    assert [scene["sceneNumber"] for scene in job["results"]["scenes"]] == [1, 2, 3]
    assert all(scene["videoUrl"] and scene["imageUrl"] for scene in job["results"]["scenes"])


def test_each_scene_is_charged_once(stack: Stack) -> None:
    job_id = stack.generate(" [once]")
    job = stack.ended(job_id)
    charges = httpx.get(f"{stack.sandbox}/_sandbox/charges", timeout=10).json()
    ids = {scene["generationId"] for scene in job["results"]["scenes"]}
    ours = [charge for charge in charges["charges"] if charge["generation_id"] in ids]
    assert len(ours) == len(ids) == 3


def test_a_failed_scene_leaves_a_title_card_and_a_retry_pays_only_for_it(stack: Stack) -> None:
    job_id = stack.generate(" [moderate]")
    job = stack.ended(job_id)
    assert (job["status"], job["outcome"]) == ("completed", "partial")
    first, second, third = job["results"]["scenes"]
    assert (second["status"], second["errorCode"]) == ("failed", "luma_moderated")
    assert (first["status"], third["status"]) == ("completed", "completed")
    assert job["results"]["film"]["durationSeconds"] == pytest.approx(27, abs=0.2)
    kept = {first["generationId"], third["generationId"]}
    stack.ask("POST", f"/api/job/{job_id}/scenes/2/regenerate", json={"prompt": "A calm sea at dawn, wide shot."})
    job = stack.ended(job_id)
    assert (job["status"], job["outcome"], job["run"]) == ("completed", "full", 2)
    assert kept <= {scene["generationId"] for scene in job["results"]["scenes"]}
    assert len(job["results"]["scenes"][1]["takes"]) == 2


def test_all_scenes_failing_fails_the_job_with_a_sentence(stack: Stack) -> None:
    script = SCRIPT.replace("bottle", "[moderate] bottle").replace("{tag}", " [moderate]")
    script = script.replace("dawn", "[moderate]")
    job_id = stack.ask("POST", "/api/generate", json={"script": script})["jobId"]
    job = stack.ended(job_id)
    assert (job["status"], job["outcome"]) == ("failed", "none")
    assert job["error"].startswith("None of the 3 scenes could be made: ")
    run = httpx.get(f"{stack.prefect}/flow_runs/{job['flowRunId']}", timeout=10).json()
    assert run["state_type"] == "FAILED"


def test_the_prefect_command_alone_makes_a_job(stack: Stack) -> None:
    env = stack.env | {"PREFECT_API_URL": stack.prefect}
    options = json.dumps({"resolution": "540p"})
    one_line = " ".join(SCRIPT.replace("{tag}", "").split())
    command = ["deployment", "run", "generate-video/luma", "--param", f"script={one_line}"]
    said = run(sys.executable, "-m", "prefect", *command, "--param", f"options={options}", "--watch", env=env)
    assert said.returncode == 0, said.stdout + said.stderr
    job = stack.job(stack.newest())
    assert (job["status"], job["jobId"]) == ("completed", job["flowRunId"])


@pytest.mark.parametrize("bad", ["script=short", 'options={"model": "ray-9"}', 'options={"maxScenes": 41}'])
def test_bad_parameters_are_refused_by_prefect(stack: Stack, bad: str) -> None:
    env = stack.env | {"PREFECT_API_URL": stack.prefect}
    words = ["deployment", "run", "generate-video/luma", "--param", f"script={SCRIPT}", "--param", bad]
    before = stack.ask("GET", "/api/jobs")["jobs"][:1]
    said = run(sys.executable, "-m", "prefect", *words, env=env)
    assert said.returncode != 0
    assert stack.ask("GET", "/api/jobs")["jobs"][:1] == before


def test_blanks_are_no_script_for_prefect_either(stack: Stack) -> None:
    env = stack.env | {"PREFECT_API_URL": stack.prefect}
    before = stack.ask("GET", "/api/jobs")["jobs"][:1]
    blanks = f"script={json.dumps(' ' * 100)}"
    said = run(
        sys.executable,
        "-m",
        "prefect",
        "deployment",
        "run",
        "generate-video/luma",
        "--param",
        blanks,
        "--watch",
        env=env,
    )
    assert said.returncode != 0, said.stdout
    assert stack.ask("GET", "/api/jobs")["jobs"][:1] == before


def test_a_run_that_ended_a_moment_ago_is_watched_to_its_end(stack: Stack) -> None:
    """Prefect has not written its end yet, and tells who follows it only what comes."""
    deployment = httpx.get(f"{stack.prefect}/deployments/name/generate-video/luma", timeout=10).json()
    url = f"{stack.prefect}/deployments/{deployment['id']}/create_flow_run"
    refused = httpx.post(url, json={"parameters": {"script": " " * 100}}, timeout=10).json()
    run_url = f"{stack.prefect}/flow_runs/{refused['id']}"
    with within(20) as until:
        until(lambda: httpx.get(run_url, timeout=10).json()["state_type"] == "FAILED")
    names = asyncio.run(asyncio.wait_for(told_of(stack.prefect, refused["id"]), 20))
    assert names[-1] == "prefect.flow-run.Failed"


async def told_of(prefect: str, run_id: str) -> list[str]:
    with temporary_settings({PREFECT_API_URL: prefect}):
        async with FlowRunSubscriber(UUID(run_id)) as told:
            return [item.event async for item in told if isinstance(item, Event)]


def test_prefects_own_command_deploys_and_its_form_explains_itself(stack: Stack) -> None:
    env = stack.env | {"PREFECT_API_URL": stack.prefect}
    command = ["--no-prompt", "deploy", "--all", "--prefect-file", str(ROOT / "deployments" / "prefect.yaml")]
    said = run(sys.executable, "-m", "prefect", *command, env=env)
    assert said.returncode == 0, said.stdout + said.stderr
    url = f"{stack.prefect}/deployments/name/generate-video/luma"
    found = httpx.get(url, timeout=10).json()
    assert found["enforce_parameter_schema"] is True
    assert found["parameter_openapi_schema"]["required"] == ["script"]
    for name, field in found["parameter_openapi_schema"]["properties"].items():
        assert field["description"], name
    assert stack.ended(stack.generate())["outcome"] == "full"


def test_cancelling_in_prefect_ends_the_job_as_cancelled(stack: Stack) -> None:
    job_id = stack.generate(" [slow]")
    job = stack.until(job_id, lambda job: job["counts"]["generating"] > 0)
    run_url = f"{stack.prefect}/flow_runs/{job['flowRunId']}"
    httpx.post(f"{run_url}/set_state", json={"state": {"type": "CANCELLING"}}, timeout=10).raise_for_status()
    job = stack.ended(job_id, 20)
    assert job["status"] == "cancelled"
    assert job["cost"]["spentUsd"] > 0
    deadline = time.monotonic() + 10
    while (found := httpx.get(run_url, timeout=10).json())["state_type"] == "CANCELLING":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert found["state_type"] == "CANCELLED"


def test_cancelling_in_the_api_stops_the_run(stack: Stack) -> None:
    job_id = stack.generate(" [slow]")
    job = stack.until(job_id, lambda job: job["counts"]["generating"] > 0)
    said = stack.storyreel("cancel", job_id, "--api", stack.api)
    assert said.returncode == 0, said.stderr
    assert stack.ended(job_id, 20)["status"] == "cancelled"
    deadline = time.monotonic() + 10
    run_url = f"{stack.prefect}/flow_runs/{job['flowRunId']}"
    while httpx.get(run_url, timeout=10).json()["state_type"] != "CANCELLED":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_terminal_follows_a_film(stack: Stack, tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text(SCRIPT.replace("{tag}", ""))
    said = stack.storyreel("film", str(script), "--resolution", "540p", "--api", stack.api)
    assert said.returncode == 0, said.stderr
    assert "Generating scene 1/3..." in said.stdout
    assert any(line.startswith("Film ready: ") and line.endswith("/film.mp4") for line in said.stdout.splitlines())
    listed = stack.storyreel("jobs", "--json", "--api", stack.api)
    assert json.loads(listed.stdout)["jobs"][0]["status"] == "completed"


def test_prefect_shows_the_story(stack: Stack) -> None:
    job = stack.ended(stack.generate())

    def shown(what: str) -> list[dict[str, object]]:
        asked = {"flow_runs": {"id": {"any_": [job["flowRunId"]]}}}
        found: list[dict[str, object]] = httpx.post(f"{stack.prefect}/{what}/filter", json=asked, timeout=10).json()
        return found

    names = {"storyboard", "scene 1/3", "scene 2/3", "scene 3/3", "film"}
    with within(10) as until:  # what is shown follows the job by a second or two
        until(
            lambda: (
                {(run["name"], run["state_name"]) for run in shown("task_runs")} == {(n, "Completed") for n in names}
            )
        )
        until(
            lambda: (
                sorted(str(artifact["type"]) for artifact in shown("artifacts")) == ["markdown", "progress", "table"]
            )
        )
        until(lambda: next(a for a in shown("artifacts") if a["type"] == "progress")["data"] == 100.0)
    for ended in shown("task_runs"):
        states = httpx.get(f"{stack.prefect}/task_run_states/?task_run_id={ended['id']}", timeout=10).json()
        assert [state["name"] for state in states] == ["Running", "Completed"]
    flow_run = httpx.get(f"{stack.prefect}/flow_runs/{job['flowRunId']}", timeout=10).json()
    assert flow_run["name"] == job["title"]
    assert "storyreel" in flow_run["tags"]
    about = {"any_resource": {"id": [f"prefect.flow-run.{job['flowRunId']}"]}}
    with within(10) as until:  # they are kept every five seconds
        until(lambda: "prefect.flow-run.Completed" in events_of(stack, about))
    assert not [name for name in events_of(stack, about) if name.startswith("prefect.task-run.")]


def events_of(stack: Stack, about: dict[str, object]) -> set[str]:
    """The names of the events that Prefect's list holds."""
    answer = httpx.post(f"{stack.prefect}/events/filter", json={"filter": about}, timeout=10).json()
    return {event["event"] for event in answer["events"]}


def test_a_killed_worker_goes_on_where_it_was(stack: Stack) -> None:
    job_id = stack.generate(" [slow]")
    stack.until(job_id, lambda job: job["counts"]["generating"] == 3 and job["cost"]["spentUsd"] > 0)
    before = {scene["generationId"] for scene in stack.job(job_id)["results"]["scenes"]}
    stack.part("worker").kill()
    job = stack.ended(job_id)
    assert (job["status"], job["outcome"], job["run"]) == ("completed", "full", 1)
    assert before - {None} <= {scene["generationId"] for scene in job["results"]["scenes"]}


def test_the_same_flow_runs_under_the_stock_process_worker(stack: Stack, tmp_path: Path) -> None:
    env = stack.env | environment(Settings(data=stack.data, _env_file=None), stack.addresses)
    deploy = "import asyncio; from deployments.deploy import deploy; from tasks.settings import Settings; "
    deploy += "asyncio.run(deploy(Settings(), name='films', pool='films', pool_type='process'))"
    said = run(sys.executable, "-c", deploy, env=env)
    assert said.returncode == 0, said.stderr
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "films", "--type", "process"]
    with (tmp_path / "worker.log").open("w") as output:
        worker = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=output, stderr=output)
    try:
        words = ["deployment", "run", "generate-video/films", "--param", f"script={json.dumps(SCRIPT)}"]
        said = run(sys.executable, "-m", "prefect", *words, env=env)
        assert said.returncode == 0, said.stdout
        job = stack.ended(stack.newest())
        assert (job["status"], job["outcome"]) == ("completed", "full"), (tmp_path / "worker.log").read_text()
    finally:
        worker.terminate()
        with suppress(subprocess.TimeoutExpired):  # Prefect's own worker may hang when a run ends at that moment
            worker.wait(20)
        worker.kill()
        worker.wait()


def test_a_port_in_use_is_refused_in_one_sentence(stack: Stack, tmp_path: Path) -> None:
    words = ["up", "--port", str(stack.port), "--prefect-port", str(free_port()), "--data", str(tmp_path)]
    said = run(sys.executable, "-m", "deployments.cli", *words, env=clean_env(tmp_path))
    assert said.returncode == 1
    assert said.stderr.strip() == (
        f"Port {stack.port} on 127.0.0.1 is in use; stop what uses it or choose another with --port."
    )


def test_the_demo_ends_with_a_film_and_leaves_nothing(tmp_path: Path) -> None:
    ports = [word for name in ("--port", "--prefect-port", "--sandbox-port") for word in (name, str(free_port()))]
    env = clean_env(tmp_path) | {"LUMAAI_API_KEY": "a-key-that-would-pay"}
    env |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:9")
    said = run(sys.executable, "-m", "deployments.cli", "demo", *ports, "--data", str(tmp_path), env=env)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "(sandbox: films are drawn here and cost nothing)" in said.stdout
    assert "at Luma, nothing in the sandbox" in said.stdout
    line = next(line for line in said.stdout.splitlines() if line.startswith("Film    "))
    path = Path(line.removeprefix("Film    "))
    with av.open(str(path)) as container:
        assert container.duration
    for word in ("Length ", "Studio ", "API ", "Prefect "):
        assert word in said.stdout


def test_the_stack_stops_clean_and_finds_its_jobs_again(tmp_path: Path) -> None:
    first = start(tmp_path)
    job_id = first.generate()
    done = first.ended(job_id)
    assert stop(first) == 0
    second = start(tmp_path)
    try:
        assert second.job(job_id) == done
    finally:
        assert stop(second) == 0
