"""Which runs a worker asks its pool for: as many as may soon begin.

Prefect's client asks for two hundred, with all they are about, whenever one has ended or another was made; and what
one worker has taken, another can't, though it has time.
"""

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.responses import WorkerFlowRunResponse

from tasks import clock

AHEAD: Final = 16
"""Runs that may wait in a worker to begin."""
ASK_SECONDS: Final = 1.0
"""Between asking while there is no room: Prefect takes a worker that never asks for one that is gone."""


class Asking:
    """How many to ask for, and when again."""

    def __init__(self) -> None:
        self._asked, self._limit, self._more = -math.inf, 0, False

    def limit(self, free: int, waiting: int, now: float) -> int:
        """How many to ask for at a moment, in seconds; 0: not now.

        `free`: how many more the worker may have; `waiting`: those that it has and that have yet to begin: the pool
        may still show them.
        """
        room = min(free, AHEAD - waiting)
        if room <= 0 and now - self._asked < ASK_SECONDS:
            self._more = True
            return 0
        self._asked, self._limit = now, max(1, room) + waiting
        return self._limit

    def found(self, number: int) -> None:
        """So many came."""
        self._more = number >= self._limit

    def again(self, waiting: int) -> bool:
        """Whether to ask again, now that one has begun or ended."""
        return self._more and waiting <= AHEAD // 2


async def scheduled(
    client: PrefectClient, pool: str, queues: Iterable[str], limit: int, *, ahead: float
) -> list[WorkerFlowRunResponse]:
    """The runs of a pool that are due within `ahead` seconds, the oldest first; none when there is no such pool."""
    due = clock.now() + timedelta(seconds=ahead)
    body = {"work_queue_names": list(queues), "scheduled_before": due.isoformat(), "limit": limit}
    try:
        answer = await client.request(
            "POST", "/work_pools/{name}/get_scheduled_flow_runs", path_params={"name": pool}, json=body
        )
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:  # the next heartbeat makes it
            return []
        raise
    return WorkerFlowRunResponse.model_validate_list(answer.json())
