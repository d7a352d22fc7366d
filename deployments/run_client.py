"""Prefect's client for one run: what the worker knows of it is not asked and told again, two requests less a run."""

from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy

_AT_ITS_START: Final = {"flow_version", "empirical_policy"}


class RunClient(PrefectClient):
    """A worker's client as the engine of one of its runs uses it, over the worker's connections.

    Prefect's engine says of each run how often its flow is retried, and reads it anew when it is Running. Here the run
    is as the pool gave it and as its engine changed it since; of what others do to it the worker hears by event.
    """

    def __init__(self, client: PrefectClient, run: FlowRun) -> None:
        vars(self).update(vars(client))
        self._run = run

    async def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        """The run as it is known here; any other is asked for."""
        return self._run if flow_run_id == self._run.id else await super().read_flow_run(flow_run_id)

    async def update_flow_run(self, flow_run_id: UUID, *args: Any, **told: Any) -> httpx.Response:
        """Tell Prefect, unless all there is to tell is the flow's version and that it is not retried."""
        if args or told.keys() - _AT_ITS_START or _retries(told.get("empirical_policy")):
            return await super().update_flow_run(flow_run_id, *args, **told)
        return httpx.Response(httpx.codes.NO_CONTENT)


def _retries(policy: FlowRunPolicy | None) -> bool:
    return policy is not None and bool(policy.retries or policy.retry_delay)
