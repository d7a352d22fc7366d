"""What the forecast is made of, and that the ledger finds it by index however long it has grown."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from api.records import JobRecords
from api.states import JobStatus
from tasks.luma.durations import Kind
from tests.integration.jobs_made import begun, finished, made, new_job, submitted

KIND = Kind("ray-2", "720p", "9s")


async def test_live_jobs_stand_in_line_as_they_are(records: JobRecords) -> None:
    await finished(records, 1)
    queued, _, _ = await records.create(new_job())
    planned, _ = await begun(records, 3)
    running, _ = await begun(records, 3)
    await submitted(records, running, 1)
    await made(records, running, 2)
    lines, ages = await records.live_lines()
    facts = [(one.job_id, one.status, one.pending, len(one.ages), one.planned, one.begun) for one in lines]
    assert facts == [
        (queued, JobStatus.QUEUED, 7, 0, False, False),
        (planned, JobStatus.PROCESSING, 3, 0, True, False),
        (running, JobStatus.PROCESSING, 1, 1, True, True),
    ]
    assert {one.kind for one in lines} == {KIND}
    assert [0 <= age < 60 for age in ages] == [True]


async def test_past_generations_are_the_newest(records: JobRecords) -> None:
    assert await records.past() == []
    await finished(records, 3)
    past = await records.past()
    assert len(past) == 3
    assert all(0 <= took.seconds <= took.age for took in past)


QUESTIONS: list[Callable[[JobRecords], Any]] = [
    lambda records: records.live_lines(),
    lambda records: records.past(),
    lambda records: records.live_jobs(),
    lambda records: records.anybody_waits(),
    lambda records: records.standing(),
]


@pytest.mark.parametrize("ask", QUESTIONS, ids=["live_lines", "past", "live_jobs", "anybody_waits", "standing"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_long_ledger_is_not_walked_through(records: JobRecords, ask: Callable[[JobRecords], Any]) -> None:
    """SQLite takes a partial index only for its very words, and then without any note."""
    asked: list[tuple[str, Any]] = []
    event.listen(
        records.database.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _k, statement, parameters, _x, _m: asked.append((statement, parameters)),
    )
    await ask(records)
    assert asked
    async with records.database.engine.connect() as connection:
        for statement, parameters in [one for one in asked if one[0].startswith("SELECT")]:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[3] for row in plan]
            assert not [step for step in steps if step.startswith("SCAN") and "USING" not in step], steps
        await connection.execute(text("SELECT 1"))
