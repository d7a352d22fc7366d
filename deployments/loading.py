"""The flows of deployments, loaded once."""

import asyncio
import logging
import time
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
from prefect.flows import Flow, load_flow_from_entrypoint

from tasks.logs import said

LIFETIME: Final = 60.0
"""Seconds for which a deployment is taken to be what it was."""

logger = logging.getLogger(__name__)


class Flows:
    """Which flow a deployment runs. Its code is imported once in the life of the process."""

    def __init__(self) -> None:
        self._entrypoints: dict[UUID, tuple[float, str]] = {}
        self._flows: dict[str, Flow[Any, Any]] = {}
        self._loading = asyncio.Lock()

    async def of(self, client: PrefectClient, deployment_id: UUID) -> Flow[Any, Any]:
        """Load the flow of a deployment.

        Raises ObjectNotFound when the deployment is gone, ValueError when its flow can't run in an event loop, and
        whatever importing the flow raises.
        """
        read, entrypoint = self._entrypoints.get(deployment_id, (0.0, ""))
        if not entrypoint or time.monotonic() - read > LIFETIME:
            entrypoint = (await client.read_deployment(deployment_id)).entrypoint or ""
            self._entrypoints[deployment_id] = (time.monotonic(), entrypoint)
        return await self._load(entrypoint)

    async def warm(self, client: PrefectClient, pool: str) -> None:
        """Load the flows of all deployments in `pool`, so that no run waits for the import."""
        deployments = await client.read_deployments(
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
        )
        for deployment in deployments:
            try:
                await self.of(client, deployment.id)
            except Exception as exc:  # noqa: BLE001 -- any import may fail; its runs will say so
                logger.warning("The flow of deployment %s does not load: %s", deployment.name, said(exc))

    async def _load(self, entrypoint: str) -> Flow[Any, Any]:
        async with self._loading:
            if entrypoint not in self._flows:
                self._flows[entrypoint] = await asyncio.to_thread(_import, entrypoint)
            return self._flows[entrypoint]


def _import(entrypoint: str) -> Flow[Any, Any]:
    if not entrypoint:
        raise ValueError("The deployment names no flow.")
    flow: Flow[Any, Any] = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    if not flow.isasync or flow.isgenerator:
        raise ValueError(f"{entrypoint} is not an async function: it would stop every other run while it works.")
    return flow
