"""A work pool of a test's own, its workers and its runs."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State, StateType

from deployments.deploy import deploy
from deployments.recovery import owner_of
from tasks.settings import Settings

WORKER = """
import asyncio, contextlib, sys
from deployments.worker import run_worker
from tasks.settings import Settings
pool, name, limit = sys.argv[1:]
options = {"limit": int(limit), "ready": lambda: print("ready", flush=True), "around": contextlib.nullcontext}
sys.exit(asyncio.run(run_worker(Settings(), pool=pool, name=name, **options)))
"""
NO_POLL = {"PREFECT_WORKER_QUERY_SECONDS": "600"}  # what starts then was pushed


def start_worker(processes: Any, pool: str, name: str, *, limit: int = 50, env: dict[str, str] | None = None) -> Any:
    """Start a worker that does not poll, and wait until it would run something."""
    child = processes.start(sys.executable, "-c", WORKER, pool, name, str(limit), name=name, env=NO_POLL | (env or {}))
    child.wait_for("ready")
    return child


@dataclass
class House:
    """Where a test deploys flows, starts workers and creates runs."""

    client: PrefectClient
    processes: Any
    eventually: Callable[..., Awaitable[Any]]
    folder: Path
    pool: str
    api: str
    deployments: dict[str, UUID] = field(default_factory=dict)

    async def deploy(self, flow: str = "waits") -> UUID:
        if flow not in self.deployments:
            settings = Settings(prefect_api_url=self.api)
            entrypoint = f"worker_flows.{flow}"
            self.deployments[flow] = await deploy(settings, entrypoint=entrypoint, name=self.pool, pool=self.pool)
        return self.deployments[flow]

    def worker(self, name: str, *, limit: int = 50, env: dict[str, str] | None = None) -> Any:
        return start_worker(self.processes, self.pool, name, limit=limit, env=env)

    async def run(self, flow: str = "waits", **parameters: Any) -> "Run":
        diary = self.folder / f"diary-{len(list(self.folder.glob('diary-*')))}"
        diary.touch()
        given = {"diary": str(diary)} | parameters
        created = await self.client.create_flow_run_from_deployment(await self.deploy(flow), parameters=given)
        return Run(self, created.id, diary)


@dataclass
class Run:
    """One flow run and its diary."""

    house: House
    id: UUID
    diary: Path

    @property
    def words(self) -> list[str]:
        return [line.split()[0] for line in self.diary.read_text().splitlines()]

    async def state(self) -> State[Any]:
        state = (await self.house.client.read_flow_run(self.id)).state
        assert state
        return state

    async def history(self) -> list[str]:
        return [state.name or "" for state in await self.house.client.read_flow_run_states(self.id)]

    async def owner(self) -> str | None:
        state = await self.state()
        owner = owner_of(state)
        return owner.name if owner and state.type is StateType.RUNNING else None

    async def until_begun(self, times: int = 1, seconds: float = 20) -> None:
        async def begun() -> bool:
            return self.words.count("begin") == times and (await self.state()).type is StateType.RUNNING

        await self.house.eventually(begun, seconds=seconds)

    async def until_said(self, *words: str) -> None:
        async def said() -> bool:
            return self.words == list(words)

        await self.house.eventually(said)

    async def until_final(self, seconds: float = 20) -> State[Any]:
        async def ended() -> State[Any] | None:
            state = await self.state()
            return state if state.is_final() else None

        final: State[Any] = await self.house.eventually(ended, seconds=seconds)
        return final
