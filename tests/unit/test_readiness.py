"""Whether a job would run, in words, whatever is away."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from api.bootstrap import studio
from api.database import Database
from api.prefect_api import PrefectApi
from api.readiness import checks
from api.records import JobRecords
from tasks.settings import Settings


@pytest.mark.parametrize(
    "why",
    [asyncpg.CannotConnectNowError("starting up"), asyncpg.TooManyConnectionsError("full"), OSError("nobody there")],
    ids=lambda why: type(why).__name__,
)
async def test_a_postgresql_that_is_not_there_yet_is_a_check_that_fails(why: Exception, tmp_path: Path) -> None:
    async def connect(*_: object, **__: object) -> Any:
        raise why

    settings = Settings(data=tmp_path, _env_file=None)  # type: ignore[call-arg]
    away = httpx.MockTransport(lambda _: httpx.Response(503))
    prefect, database = PrefectApi(settings, away), Database("postgresql+asyncpg://db/films", connect)
    async with studio(settings, luma_transport=away) as house:
        found = await checks(replace(house, records=JobRecords(database)), prefect)
    await prefect.close()
    await database.close()
    assert [check.name for check in found if not check.ok] == ["ledger", "prefect", "luma"]
    assert found[0].detail == f"The database can't be reached ({type(why).__name__})."
