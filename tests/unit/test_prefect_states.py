"""What the ledger learns of many runs, and that those under way are counted and not read."""

import json
from uuid import UUID, uuid4

import httpx
import pytest

from api.prefect_api import PAGE, PrefectApi, RunState
from tasks.settings import Settings

UNDER_WAY = {"SCHEDULED", "PENDING", "RUNNING"}
RUNNING = RunState("RUNNING", "", None)


class Prefect:
    """As much of its API as reads runs; remembers how many it has sent."""

    def __init__(self, states: dict[UUID, str]) -> None:
        self.states, self.sent = states, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        wanted = json.loads(request.content)["flow_runs"]
        kinds = wanted.get("state", {}).get("type", {})
        chosen = [
            (run, state)
            for run, state in self.states.items()
            if str(run) in wanted["id"]["any_"]
            and state in kinds.get("any_", [state])
            and state not in kinds.get("not_any_", [])
        ]
        if request.url.path.endswith("/count"):
            return httpx.Response(200, json=len(chosen))
        self.sent += len(chosen)
        return httpx.Response(
            200, json=[{"id": str(run), "state_type": state, "state_name": state.title()} for run, state in chosen]
        )


async def learn(prefect: Prefect, ids: list[UUID]) -> dict[UUID, RunState]:
    api = PrefectApi(Settings(_env_file=None), httpx.MockTransport(prefect))
    try:
        return await api.states(ids)
    finally:
        await api.close()


@pytest.mark.parametrize("state", sorted(UNDER_WAY))
async def test_runs_under_way_are_not_sent(state: str) -> None:
    ids = [uuid4() for _ in range(2 * PAGE + 1)]
    prefect = Prefect(dict.fromkeys(ids, state))
    assert await learn(prefect, ids) == dict.fromkeys(ids, RUNNING)
    assert prefect.sent == 0


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CRASHED", "CANCELLED", "CANCELLING", "PAUSED", "NEW"])
async def test_every_other_state_is_told(state: str) -> None:
    moved, running = uuid4(), uuid4()
    prefect = Prefect({moved: state, running: "RUNNING"})
    assert await learn(prefect, [moved, running]) == {moved: RunState(state, state.title(), None), running: RUNNING}
    assert prefect.sent == 1


async def test_a_run_that_is_gone_is_left_out() -> None:
    gone, running, failed = uuid4(), uuid4(), uuid4()
    learnt = await learn(Prefect({running: "PENDING", failed: "FAILED"}), [gone, running, failed])
    assert {run: state.type for run, state in learnt.items()} == {running: "PENDING", failed: "FAILED"}


async def test_nothing_is_asked_about_nothing() -> None:
    assert await learn(Prefect({}), []) == {}
