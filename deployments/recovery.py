"""Whose run it is, and giving back the runs of a worker that died."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled

from flows.asked import GIVEN_BACK, SILENT
from tasks.owner import Owner

PENDING_SECONDS: Final = 120.0
"""A claimed run that has not begun after this long was left behind, wherever its worker is."""
HELD: Final = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_PAGE = 200

logger = logging.getLogger(__name__)


def owner_of(state: State | None) -> Owner | None:
    """Who holds a run in this state: its message says so, so taking a run and saying whose it is are one step."""
    return Owner.parse(state.message) if state else None


def is_gone(owner: Owner | None, state: State, me: Owner, now: datetime, *, owner_alive: bool) -> bool:
    """Decide whether a run held in `state` by `owner` was left behind, as seen by the worker `me`.

    Where process ids can be compared the answer is exact. Elsewhere a namesake on the same host is this worker's
    former self (a restarted container, a rebooted machine); of all others only Prefect's heartbeats can tell.
    """
    if owner is None or owner == me:
        return False
    if owner.space == me.space:
        return not owner_alive
    if (owner.name, owner.host) == (me.name, me.host):
        return True
    waiting = now - state.timestamp if state.type is StateType.PENDING else timedelta()
    return waiting > timedelta(seconds=PENDING_SECONDS)


async def give_back(
    client: PrefectClient, flow_run_id: UUID, why: str, *, by: Owner | None = None, held: UUID | None = None
) -> bool:
    """Let any worker take the run up again, or end it when it was being cancelled; whether anything was done.

    Only what is still held is given back, by `by` and in the state `held` where these are said: Prefect itself would
    let a finished run be scheduled again, and one that another worker has taken meanwhile.
    """
    try:
        state = (await client.read_flow_run(flow_run_id)).state
    except ObjectNotFound:
        return False
    if state is None or state.type not in HELD or (held and state.id != held):
        return False
    if by and owner_of(state) not in {None, by}:
        return False
    if state.type is StateType.CANCELLING:
        await client.set_flow_run_state(flow_run_id, Cancelled(message=why), force=True)
    else:
        await client.set_flow_run_state(flow_run_id, AwaitingRetry(message=f"{GIVEN_BACK}{why}"))
    return True


async def revived(client: PrefectClient, flow_run: FlowRun) -> bool:
    """Whether the automation woke a run that had ended already; if so, it has ended again as before.

    That happens when a run's last heartbeat reaches Prefect after its end, such as after Prefect was away.
    """
    if flow_run.state_name != AwaitingRetry().name:  # all that a scheduled run says of its state when it is polled
        return False
    history = sorted(await client.read_flow_run_states(flow_run.id), key=lambda state: state.timestamp)
    before, now = history[-2:] if len(history) > 1 else (None, None)
    if before is None or now is None or now.message != SILENT or not before.is_final():
        return False
    await client.set_flow_run_state(flow_run.id, before, force=True)
    return True


async def sweep(client: PrefectClient, pool: str, me: Owner) -> list[UUID]:
    """Give back every run in `pool` whose worker is gone; their ids."""
    why = "the worker that held this run is gone."
    swept = []
    async for flow_run in _held(client, pool):
        if await _left_behind(client, flow_run, me) and await give_back(
            client, flow_run.id, why, held=flow_run.state_id
        ):
            logger.warning("Gave back a run: %s", why, extra={"flow_run": flow_run.id})
            swept.append(flow_run.id)
    return swept


async def _left_behind(client: PrefectClient, flow_run: FlowRun, me: Owner) -> bool:
    state = flow_run.state
    if state is None:
        return False
    owner = owner_of(state)
    if owner is None and state.type is StateType.CANCELLING:  # whoever cancelled it wrote over the mark
        history = await client.read_flow_run_states(flow_run.id)
        owner = next((mark for past in reversed(history) if (mark := owner_of(past))), None)
    return is_gone(owner, state, me, datetime.now(UTC), owner_alive=owner is not None and owner.alive())


async def _held(client: PrefectClient, pool: str) -> AsyncIterator[FlowRun]:
    """List the runs of `pool` that somebody holds, or held."""
    page: list[FlowRun] = []
    offset = 0
    while offset == 0 or len(page) == _PAGE:
        page = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=HELD))),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
            limit=_PAGE,
            offset=offset,
        )
        offset += _PAGE
        for flow_run in page:
            yield flow_run
