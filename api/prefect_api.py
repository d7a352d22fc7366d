"""As much of Prefect's REST API as the ledger needs. The `prefect` package takes seconds to import; this does not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx

from tasks.luma.errors import brief
from tasks.settings import Settings

BUSY: Final = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})
BUSY_PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before asking again; its database is locked for moments, and waiting long would make every job start late."""
PAGE: Final = 200  # the most flow runs that Prefect answers at once
_LIMITS: Final = "/v2/concurrency_limits"
_NOT_FREE: Final = {422, 423}  # more than the limit, or than is left of it
_UNDER_WAY: Final = ("SCHEDULED", "PENDING", "RUNNING")
_REFUSED: Final = {400, 409, 422}  # parameters that Prefect does not take, such as too large ones


class PrefectAway(Exception):
    """Prefect can't be reached or can't answer now."""


class RunRefused(Exception):
    """Prefect won't make this run, now or later; the message is one sentence."""


class NoDeployment(PrefectAway):
    """Prefect is there, but our deployment is not."""


@dataclass(frozen=True, slots=True)
class RunState:
    """A flow run as Prefect knows it."""

    type: str
    """SCHEDULED, PENDING, RUNNING, PAUSED, CANCELLING, COMPLETED, FAILED, CRASHED or CANCELLED."""
    name: str
    message: str | None


class PrefectApi:
    """Asks and tells Prefect; every failure is a `PrefectAway`."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        key, auth = settings.prefect_api_key, settings.prefect_auth_string
        self._deployment = settings.deployment
        self._deployment_id: str | None = None
        self._http = httpx.AsyncClient(
            base_url=settings.prefect_api_url or "http://127.0.0.1:4200/api",
            timeout=20,
            transport=transport,
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            auth=_basic(auth.get_secret_value()) if auth else None,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def create_run(
        self, idempotency_key: str, name: str, parameters: dict[str, Any], tags: Sequence[str]
    ) -> UUID:
        """A run of our deployment; the same key gives the same run. Raises `PrefectAway`, `RunRefused`."""
        body = {
            "name": name,
            "parameters": parameters,
            "idempotency_key": idempotency_key,
            "tags": list(tags),
            "state": {"type": "SCHEDULED"},
            "enforce_parameter_schema": False,  # we have checked them; Prefect would check its own schema each time
        }
        answer = await self._post(f"/deployments/{await self._id()}/create_flow_run", body)
        if answer.status_code == httpx.codes.NOT_FOUND:
            self._deployment_id = None  # deployed anew meanwhile
            raise NoDeployment(f"Prefect has no deployment {self._deployment}.")
        if answer.status_code in _REFUSED:
            raise RunRefused(f"Prefect refused to run this job ({answer.status_code}): {_reason(answer)}")
        return UUID(_json(answer)["id"])

    async def cancel_run(self, flow_run_id: UUID) -> None:
        """Ask for the end of a run; one that is gone or has ended is no error. Raises `PrefectAway`."""
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        answer = await self._post(f"/flow_runs/{flow_run_id}/set_state", body)
        if answer.status_code != httpx.codes.NOT_FOUND:
            _json(answer)

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
        answer = await self._post(f"{_LIMITS}/increment-with-lease", body)
        return None if answer.status_code in _NOT_FREE else UUID(_json(answer)["lease_id"])

    async def renew(self, lease: UUID, seconds: float) -> bool:
        """See `Lessor.renew`. Raises `PrefectAway`."""
        answer = await self._post(f"{_LIMITS}/leases/{lease}/renew", {"lease_duration": seconds})
        if answer.status_code != httpx.codes.GONE:
            _check(answer)
        return answer.is_success

    async def release(self, lease: UUID) -> None:
        """See `Lessor.release`. Raises `PrefectAway`."""
        _check(await self._post(f"{_LIMITS}/decrement-with-lease", {"lease_id": str(lease)}))

    async def look(self, limit: str) -> tuple[int | None, int]:
        """See `Lessor.look`. Raises `PrefectAway`."""
        answer = await self._send(self._http.build_request("GET", f"{_LIMITS}/{limit}"))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None, 0
        told = _json(answer)
        return (int(told["limit"]) if told["active"] else None), int(told["active_slots"])

    async def forget(self, limit: str, slots: int) -> None:
        """See `Lessor.forget`. Raises `PrefectAway`."""
        _check(await self._post(f"{_LIMITS}/decrement", {"names": [limit], "slots": slots}))

    async def _found(self, ids: list[str], state: dict[str, Any] | None = None) -> dict[UUID, RunState]:
        answer = await self._post("/flow_runs/filter", {"flow_runs": _runs(ids, state), "limit": PAGE})
        return {UUID(run["id"]): _state(run) for run in _json(answer)}

    async def _count(self, ids: list[str], state: dict[str, Any]) -> int:
        return int(_json(await self._post("/flow_runs/count", {"flow_runs": _runs(ids, state)})))

    async def deployment_status(self) -> str:
        """READY when a worker serves our deployment. Raises `PrefectAway`, `NoDeployment`."""
        return str((await self._read_deployment())["status"])

    async def _id(self) -> str:
        if self._deployment_id is None:
            self._deployment_id = str((await self._read_deployment())["id"])
        return self._deployment_id

    async def _read_deployment(self) -> Any:
        answer = await self._send(self._http.build_request("GET", f"/deployments/name/{self._deployment}"))
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NoDeployment(f"Prefect has no deployment {self._deployment}.")
        return _json(answer)

    async def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self._send(self._http.build_request("POST", path, json=body))

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """Every request may be repeated: creating is by key, and the rest says what shall be."""
        for pause in BUSY_PAUSES:
            answer = await self._try(request)
            if answer.status_code not in BUSY:
                return answer
            await asyncio.sleep(pause)
        return await self._try(request)

    async def _try(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.send(request)
        except httpx.HTTPError as error:
            raise PrefectAway(f"Prefect can't be reached ({type(error).__name__}).") from error


def _runs(ids: list[str], state: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": {"any_": ids}} | ({"state": state} if state else {})


def _check(answer: httpx.Response) -> None:
    if answer.is_error:
        raise PrefectAway(f"Prefect answered {answer.status_code}.")


def _json(answer: httpx.Response) -> Any:
    _check(answer)
    try:
        return answer.json()
    except ValueError as error:
        raise PrefectAway("What answers in Prefect's place does not speak JSON.") from error


def _reason(answer: httpx.Response) -> str:
    try:
        return brief(str(answer.json()["detail"]))
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _basic(user_and_password: str) -> httpx.BasicAuth:
    user, _, password = user_and_password.partition(":")
    return httpx.BasicAuth(user, password)


def _state(run: dict[str, Any]) -> RunState:
    state = run.get("state") or {}
    return RunState(run.get("state_type") or "SCHEDULED", run.get("state_name") or "", state.get("message"))
