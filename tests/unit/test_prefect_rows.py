"""Rows beside a statement: what is stored is what rows in the statement would have stored."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import JSON, Engine, create_engine, event, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import CacheStats
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from deployments.prefect_rows import beside_statement


class Base(DeclarativeBase):
    """Of this test alone."""


class Run(Base):
    __tablename__ = "run"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="unnamed")
    number: Mapped[int | None]
    inputs: Mapped[Any] = mapped_column("task_inputs", JSON, default=dict)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        event.listen(session, "do_orm_execute", beside_statement)
        yield session


def stored(session: Session) -> list[tuple[Any, ...]]:
    rows = session.execute(select(Run.id, Run.name, Run.number, Run.inputs).order_by(Run.id))
    return [tuple(row) for row in rows]


def test_rows_are_stored_with_their_defaults(session: Session) -> None:
    session.execute(
        insert(Run).values([{"id": 1, "number": 5, "inputs": {"a": 1}}, {"id": 2, "number": None, "inputs": []}])
    )

    assert stored(session) == [(1, "unnamed", 5, {"a": 1}), (2, "unnamed", None, [])]


def test_an_upsert_keeps_its_clause(session: Session) -> None:
    session.execute(insert(Run).values([{"id": 1, "number": 5}, {"id": 2, "number": 6}]))
    again = insert(Run).values([{"id": 2, "number": 7}, {"id": 3, "number": 8}, {"id": 1, "number": 1}])
    upsert = again.on_conflict_do_update(
        index_elements=["id"], set_={"number": again.excluded.number}, where=Run.number < again.excluded.number
    )
    session.execute(upsert)

    assert [(id_, number) for id_, _, number, _ in stored(session)] == [(1, 5), (2, 7), (3, 8)]


def test_an_insert_that_ignores_conflicts_still_does(session: Session) -> None:
    for numbers in ((1, 2), (2, 3, 4)):
        rows = [{"id": number, "number": len(numbers)} for number in numbers]
        session.execute(insert(Run).values(rows).on_conflict_do_nothing(index_elements=["id"]))

    assert [(id_, number) for id_, _, number, _ in stored(session)] == [(1, 2), (2, 2), (3, 3), (4, 3)]


def test_the_statement_is_one_for_any_number_of_rows(engine: Engine, session: Session) -> None:
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    for first, several in ((0, 2), (10, 3), (20, 30)):
        session.execute(insert(Run).values([{"id": first + row, "number": row} for row in range(several)]))

    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert len(stored(session)) == 35


def test_rows_to_be_returned_stay_in_the_statement(session: Session) -> None:
    ids = session.scalars(insert(Run).values([{"id": 1, "number": 5}, {"id": 2, "number": 6}]).returning(Run.id))

    assert sorted(ids) == [1, 2]


@pytest.mark.parametrize("row", [{"number": 5}, {"number": None, "inputs": {"a": [1]}}])
def test_a_single_row_is_stored_by_a_text_that_is_made_once(
    engine: Engine, session: Session, row: dict[str, Any]
) -> None:
    hits: list[CacheStats] = []
    event.listen(engine, "before_cursor_execute", lambda *args: hits.append(args[4].cache_hit))
    for number in range(1, 4):
        session.execute(insert(Run).values(id=number, **row))

    assert hits[1:] == 2 * [CacheStats.CACHE_HIT]
    assert stored(session) == [(number, "unnamed", row["number"], row.get("inputs", {})) for number in range(1, 4)]


def test_expressions_and_other_statements_are_left_alone(session: Session) -> None:
    session.execute(insert(Run).values(id=select(func.count()).select_from(Run).scalar_subquery() + 1, number=5))
    session.add(Run(id=2, number=6))
    session.flush()
    session.execute(update(Run).values(number=7))

    assert [(row[0], row[2]) for row in stored(session)] == [(1, 7), (2, 7)]


def test_a_run_comes_with_all_that_prefect_reads_with_it() -> None:
    program = """
from prefect.server.database.orm_models import FlowRun, WorkQueue
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import Session, load_only, selectinload
from deployments.prefect_rows import join_relations, joined_once
join_relations()
engine = create_engine("sqlite://")
FlowRun.metadata.create_all(engine, [table for table in FlowRun.metadata.sorted_tables if table.name in TABLES])
queue = selectinload(FlowRun.work_queue).selectinload(WorkQueue.work_pool)
with Session(engine) as session:
    event.listen(session, "do_orm_execute", joined_once)
    event.listen(engine, "before_cursor_execute", lambda *args: print(" ".join(args[2].split())))
    session.execute(select(FlowRun).options(queue, load_only(FlowRun.id, FlowRun.name))).all()
"""
    tables = ("flow_run", "flow_run_state", "work_queue", "work_pool")
    program = program.replace("TABLES", repr(tables))
    [said] = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for table in tables[1:]:
        assert f"LEFT OUTER JOIN {table}" in said
    assert "flow_run.name" in said
    assert "flow_run.parameters" not in said  # what was asked for about columns still holds
