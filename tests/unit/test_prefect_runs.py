"""How runs are made: several in one request, and one by one where that is refused or can't be relied on."""

import json
from uuid import UUID, uuid5

import httpx
import pytest

from api.prefect_api import NewRun, NoDeployment, PrefectApi, RunRefused
from api.prefect_http import PrefectAway
from tasks.settings import Settings

DEPLOYMENT = UUID(int=7)
NEW = [NewRun(f"job-{number}:1", f"Film {number}", {"script": "Once."}) for number in range(3)]


def run_of(key: str) -> UUID:
    return uuid5(DEPLOYMENT, key)


class Prefect:
    """As much of its API as makes runs; remembers what was asked, and answers those in `refused` with a status."""

    def __init__(self, *, bulk: int = 200, refused: dict[str, int] | None = None) -> None:
        self.bulk, self.refused, self.asked = bulk, refused or {}, list[str]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.rsplit("/", 1)[-1])
        if request.method == "GET":
            return httpx.Response(200, json={"id": str(DEPLOYMENT)})
        body = json.loads(request.content)
        return self._several(body) if self.asked[-1] == "bulk" else self._one(body)

    def _several(self, body: list[dict[str, str]]) -> httpx.Response:
        results = [
            {"status": "FAILED", "error": "no", "flow_run_id": None}
            if new["idempotency_key"] in self.refused
            else {"status": "CREATED", "flow_run_id": str(run_of(new["idempotency_key"]))}
            for new in body
        ]
        return httpx.Response(self.bulk, json={"results": results})

    def _one(self, body: dict[str, str]) -> httpx.Response:
        key = body["idempotency_key"]
        return httpx.Response(self.refused.get(key, 201), json={"id": str(run_of(key)), "detail": "too large"})


async def make(prefect: Prefect, runs: list[NewRun]) -> list[UUID | RunRefused]:
    api = PrefectApi(Settings(_env_file=None), httpx.MockTransport(prefect))
    try:
        return await api.create_runs(runs)
    finally:
        await api.close()


@pytest.mark.parametrize("number", [0, 1, 3])
async def test_several_are_made_by_one_request(number: int) -> None:
    prefect = Prefect()
    assert await make(prefect, NEW[:number]) == [run_of(new.idempotency_key) for new in NEW[:number]]
    assert prefect.asked[1:] == [[], ["create_flow_run"], [], ["bulk"]][number]


@pytest.mark.parametrize("bulk", [404, 422, 500])
async def test_one_by_one_where_several_are_refused(bulk: int) -> None:
    prefect = Prefect(bulk=bulk)
    assert await make(prefect, NEW) == [run_of(new.idempotency_key) for new in NEW]
    assert prefect.asked[1:] == ["bulk", *3 * ["create_flow_run"]]


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_one_that_is_refused_keeps_no_other_back(status: int) -> None:
    first, second, third = await make(Prefect(refused={"job-1:1": status}), NEW)
    assert (first, third) == (run_of("job-0:1"), run_of("job-2:1"))
    assert second == RunRefused(f"Prefect refused to run this job ({status}): too large")


@pytest.mark.parametrize(("status", "error"), [(404, NoDeployment), (500, PrefectAway)])
async def test_what_may_pass_is_raised(status: int, error: type[PrefectAway]) -> None:
    with pytest.raises(error):
        await make(Prefect(refused={"job-1:1": status}), NEW)
