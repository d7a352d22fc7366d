"""What others did to a worker's runs."""

from collections.abc import Collection, Iterator
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import State, StateType

_PAGE: Final = 100


async def states_elsewhere(
    client: PrefectClient, runs: Collection[UUID], doubted: Collection[UUID]
) -> dict[UUID, State | None]:
    """Read the states of the `doubted` runs, and those of all `runs` that are not running; None: Prefect lost it.

    A running one is most likely running here, and need not be sent with its parameters every few seconds.
    """
    states: dict[UUID, State | None] = dict.fromkeys(doubted)
    not_running = FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[StateType.RUNNING]))
    for ids, state in [*((page, None) for page in _pages(doubted)), *((page, not_running) for page in _pages(runs))]:
        found = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids), state=state), limit=_PAGE
        )
        states |= {flow_run.id: flow_run.state for flow_run in found}
    return states


def _pages(ids: Collection[UUID]) -> Iterator[list[UUID]]:
    ordered = sorted(ids)
    return (ordered[start : start + _PAGE] for start in range(0, len(ordered), _PAGE))
