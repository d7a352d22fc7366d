"""What an engine says and asks of its own run is kept from Prefect where it is known; all else reaches it."""

from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy

from deployments.run_client import RunClient

RUN = FlowRun(id=uuid4(), flow_id=uuid4(), name="a film")
OTHER = FlowRun(id=uuid4(), flow_id=uuid4(), name="another")


@pytest.fixture
def asked() -> list[str]:
    """Requests that reached Prefect."""
    return []


@pytest.fixture
def client(asked: list[str]) -> RunClient:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/csrf-token"):
            return httpx.Response(404)
        asked.append(f"{request.method} {request.url.path}")
        return httpx.Response(200, json=OTHER.model_dump(mode="json"))

    transport = httpx.MockTransport(answer)
    return RunClient(PrefectClient("http://prefect/api", httpx_settings={"transport": transport}), RUN)


async def test_its_run_is_not_read_and_others_are(client: RunClient, asked: list[str]) -> None:
    assert await client.read_flow_run(RUN.id) is RUN
    assert not asked
    assert (await client.read_flow_run(OTHER.id)).name == "another"
    assert asked == [f"GET /api/flow_runs/{OTHER.id}"]


@pytest.mark.parametrize("policy", [FlowRunPolicy(), FlowRunPolicy(retries=0, retry_delay=0)])
async def test_that_a_flow_is_not_retried_is_not_told(
    client: RunClient, asked: list[str], policy: FlowRunPolicy
) -> None:
    await client.update_flow_run(RUN.id, flow_version="1", empirical_policy=policy)
    assert not asked


@pytest.mark.parametrize(
    "told",
    [
        {"empirical_policy": FlowRunPolicy(retries=2)},
        {"empirical_policy": FlowRunPolicy(retry_delay=5)},
        {"name": "a title"},
        {"flow_version": "1", "infrastructure_pid": "7"},
    ],
)
async def test_what_changes_something_is_told(client: RunClient, asked: list[str], told: dict[str, object]) -> None:
    await client.update_flow_run(RUN.id, **told)
    assert asked == [f"PATCH /api/flow_runs/{RUN.id}"]
