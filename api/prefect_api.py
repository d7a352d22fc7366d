"""As much of Prefect's REST API as the ledger needs. The `prefect` package takes seconds to import; this does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx

from api.prefect_http import PrefectAway, PrefectHttp, check, json_of, reason
from tasks.settings import Settings

PAGE: Final = 200  # the most flow runs that Prefect answers at once
_LIMITS: Final = "/v2/concurrency_limits"
_NOT_FREE: Final = {422, 423}  # more than the limit, or than is left of it
_UNDER_WAY: Final = ("SCHEDULED", "PENDING", "RUNNING")
_REFUSED: Final = {400, 409, 422}  # parameters that Prefect does not take, such as too large ones


class NoDeployment(PrefectAway):
    """Prefect is there, but our deployment is not."""


@dataclass(frozen=True, slots=True)
class RunState:
    """A flow run as Prefect knows it."""

    type: str
    """SCHEDULED, PENDING, RUNNING, PAUSED, CANCELLING, COMPLETED, FAILED, CRASHED or CANCELLED."""
    name: str
    message: str | None


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run of our deployment to be made; the same key gives the same run."""

    idempotency_key: str
    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunRefused:
    """Prefect won't make this run, now or later."""

    why: str
    """One sentence."""


class PrefectApi(PrefectHttp):
    """Asks and tells Prefect; every failure is a `PrefectAway`."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(settings, transport)
        self._deployment = settings.deployment
        self._deployment_id: str | None = None

    async def create_runs(self, runs: Sequence[NewRun]) -> list[UUID | RunRefused]:
        """Make runs, one or several in one request → what became of each. Raises `PrefectAway`."""
        together = await self._create_together(runs) if len(runs) > 1 else []
        return [*together] or [await self._create_or_not(run) for run in runs]

    async def _create_together(self, runs: Sequence[NewRun]) -> list[UUID]:
        """All of them, or none that can be relied on: they share a transaction, and one may have undone the others."""
        answer = await self.post(await self._runs_path() + "/bulk", [_body(run) for run in runs])
        results = [] if answer.is_error else json_of(answer)["results"]
        made = [UUID(result["flow_run_id"]) for result in results if result["status"] == "CREATED"]
        return made if len(made) == len(runs) else []

    async def _create_or_not(self, run: NewRun) -> UUID | RunRefused:
        answer = await self.post(await self._runs_path(), _body(run))
        if answer.status_code == httpx.codes.NOT_FOUND:
            self._deployment_id = None  # deployed anew meanwhile
            raise NoDeployment(f"Prefect has no deployment {self._deployment}.")
        if answer.status_code in _REFUSED:
            return RunRefused(f"Prefect refused to run this job ({answer.status_code}): {reason(answer)}")
        return UUID(json_of(answer)["id"])

    async def cancel_run(self, flow_run_id: UUID) -> None:
        """Ask for the end of a run; one that is gone or has ended is no error. Raises `PrefectAway`."""
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        answer = await self.post(f"/flow_runs/{flow_run_id}/set_state", body)
        if answer.status_code != httpx.codes.NOT_FOUND:
            json_of(answer)

    async def states(self, flow_run_ids: Sequence[UUID]) -> dict[UUID, RunState]:
        """The states of these runs; all that are under way are told as RUNNING. Raises `PrefectAway`.

        Prefect answers a run with its parameters and all, a millisecond of its server each: those under way, which
        are nearly all of them, are counted instead.
        """
        found: dict[UUID, RunState] = {}
        for start in range(0, len(flow_run_ids), PAGE):
            ids = [str(run) for run in flow_run_ids[start : start + PAGE]]
            page = await self._found(ids, {"type": {"not_any_": _UNDER_WAY}})
            if len(page) + await self._count(ids, {"type": {"any_": _UNDER_WAY}}) == len(ids):
                page = {UUID(run): RunState("RUNNING", "", None) for run in ids} | page
            else:  # one is gone, or was moved between the two questions
                page = await self._found(ids)
            found |= page
        return found

    async def lease(self, limit: str, slots: int, seconds: float) -> UUID | None:
        """See `Lessor.lease`; a limit that Prefect doesn't know holds nobody back. Raises `PrefectAway`."""
        body = {"names": [limit], "slots": slots, "mode": "concurrency", "lease_duration": seconds}
        answer = await self.post(f"{_LIMITS}/increment-with-lease", body)
        return None if answer.status_code in _NOT_FREE else UUID(json_of(answer)["lease_id"])

    async def renew(self, lease: UUID, seconds: float) -> bool:
        """See `Lessor.renew`. Raises `PrefectAway`."""
        answer = await self.post(f"{_LIMITS}/leases/{lease}/renew", {"lease_duration": seconds})
        if answer.status_code != httpx.codes.GONE:
            check(answer)
        return answer.is_success

    async def release(self, lease: UUID) -> None:
        """See `Lessor.release`. Raises `PrefectAway`."""
        check(await self.post(f"{_LIMITS}/decrement-with-lease", {"lease_id": str(lease)}))

    async def look(self, limit: str) -> tuple[int | None, int]:
        """See `Lessor.look`. Raises `PrefectAway`."""
        answer = await self.get(f"{_LIMITS}/{limit}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None, 0
        told = json_of(answer)
        return (int(told["limit"]) if told["active"] else None), int(told["active_slots"])

    async def forget(self, limit: str, slots: int) -> None:
        """See `Lessor.forget`. Raises `PrefectAway`."""
        check(await self.post(f"{_LIMITS}/decrement", {"names": [limit], "slots": slots}))

    async def _found(self, ids: list[str], state: dict[str, Any] | None = None) -> dict[UUID, RunState]:
        answer = await self.post("/flow_runs/filter", {"flow_runs": _runs(ids, state), "limit": PAGE})
        return {UUID(run["id"]): _state(run) for run in json_of(answer)}

    async def _count(self, ids: list[str], state: dict[str, Any]) -> int:
        return int(json_of(await self.post("/flow_runs/count", {"flow_runs": _runs(ids, state)})))

    async def deployment_status(self) -> str:
        """READY when a worker serves our deployment. Raises `PrefectAway`, `NoDeployment`."""
        return str((await self._read_deployment())["status"])

    async def _runs_path(self) -> str:
        if self._deployment_id is None:
            self._deployment_id = str((await self._read_deployment())["id"])
        return f"/deployments/{self._deployment_id}/create_flow_run"

    async def _read_deployment(self) -> Any:
        answer = await self.get(f"/deployments/name/{self._deployment}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NoDeployment(f"Prefect has no deployment {self._deployment}.")
        return json_of(answer)


def _body(run: NewRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "parameters": run.parameters,
        "idempotency_key": run.idempotency_key,
        "tags": ["storyreel"],
        "state": {"type": "SCHEDULED"},
        "enforce_parameter_schema": False,  # we have checked them; Prefect would check its own schema each time
    }


def _runs(ids: list[str], state: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": {"any_": ids}} | ({"state": state} if state else {})


def _state(run: dict[str, Any]) -> RunState:
    state = run.get("state") or {}
    return RunState(run.get("state_type") or "SCHEDULED", run.get("state_name") or "", state.get("message"))
