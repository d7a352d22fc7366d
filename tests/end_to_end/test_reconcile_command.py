"""`storyreel reconcile` in a terminal: what it says, and what its exit code means."""

import json
import sys
from pathlib import Path
from typing import Any

import httpx

from deployments.stack import environment
from tasks.settings import Settings
from tests.end_to_end.books import FOREIGN
from tests.end_to_end.running import Stack, clean_env, run


def reconcile(stack: Stack, *words: str) -> Any:
    ours = environment(Settings(data=stack.data, _env_file=None), stack.addresses)
    return run(sys.executable, "-m", "deployments.cli", "reconcile", *words, env=stack.env | ours)


def test_a_generation_that_nobody_knows_is_told_and_costs(stack: Stack) -> None:
    assert stack.ended(stack.generate())["status"] == "completed"
    before = json.loads(reconcile(stack, "--json").stdout)
    assert before["compared"] >= 3
    body = {
        "model": "ray-2",
        "prompt": FOREIGN,
        "resolution": "720p",
        "duration": "5s",
        "aspect_ratio": "16:9",
    }
    begun = httpx.post(
        f"{stack.sandbox}/dream-machine/v1/generations",
        json=body,
        headers={"Authorization": "Bearer none"},
        timeout=10,
    ).json()

    said = reconcile(stack, "--json", "--adopt")
    assert said.returncode == 1, said.stderr
    told = json.loads(said.stdout)
    assert told["agree"] is False
    [found] = [one for one in told["differences"] if one["generationId"] == begun["id"]]
    assert (found["knownTo"], found["jobId"], found["prompt"]) == ("luma", None, FOREIGN)
    assert found["costUsd"] > 0.5
    shown = reconcile(stack)
    assert shown.returncode == 1
    assert begun["id"] in shown.stdout
    assert "known to one side only; they cost $" in shown.stdout


def test_without_luma_nothing_is_compared(tmp_path: Path) -> None:
    env = clean_env(tmp_path) | {"LUMAAI_BASE_URL": "http://127.0.0.1:9/dream-machine/v1", "LUMAAI_API_KEY": "key"}
    said = run(sys.executable, "-m", "deployments.cli", "reconcile", env=env)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("Luma doesn't answer at the moment")


def test_books_that_agree_end_with_0(stack: Stack, tmp_path: Path) -> None:
    env = clean_env(tmp_path) | {"LUMAAI_BASE_URL": f"{stack.sandbox}/dream-machine/v1", "LUMAAI_API_KEY": "another"}
    said = run(sys.executable, "-m", "deployments.cli", "reconcile", env=env)
    assert (said.returncode, said.stdout.strip()) == (0, "Ledger and Luma agree on 0 generations.")
