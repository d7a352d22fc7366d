"""Flows that tell a file what happens to them."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, runtime, task
from prefect.client.schemas.objects import FlowRun
from prefect.flows import Flow
from prefect.states import State
from pydantic import Field


def _tell(path: str, word: str) -> None:
    with Path(path).open("a") as diary:
        diary.write(f"{word} {os.getpid()}\n")


async def _cancelled(_flow: Flow[Any, Any], run: FlowRun, _state: State[Any]) -> None:
    _tell(run.parameters["diary"], "hook")


@task
async def rest(seconds: float) -> None:
    await asyncio.sleep(seconds)


@flow(name="waits", on_cancellation=[_cancelled])
async def waits(
    diary: str, go: str | None = None, seconds: Annotated[float, Field(ge=0, le=600, description="To rest.")] = 0
) -> None:
    """Begin, rest, wait for the file `go` where one is named, end."""
    _tell(diary, "begin")
    try:
        await rest(seconds)
        while go and not Path(go).exists():  # noqa: ASYNC110, ASYNC240 -- the test is another process
            await asyncio.sleep(0.05)
        _tell(diary, "end")
    finally:
        await asyncio.sleep(0.02)  # a flow may have something to await while it is cancelled
        _tell(diary, "finally")


@flow(name="fails")
async def fails(diary: str) -> None:
    _tell(diary, "begin")
    raise RuntimeError("the reason why")


@flow(name="retried", retries=1)
async def retried(diary: str) -> None:
    """Fail the first time."""
    _tell(diary, f"run-{runtime.flow_run.run_count}")
    if runtime.flow_run.run_count == 1:
        raise RuntimeError


@flow(name="blocks")
def blocks(diary: str) -> None:
    _tell(diary, "begin")
