"""Rows into and out of Prefect's database with fewer and readier statements: what its server spends most time on.

For `insert(…).values([row, row, …])` SQLAlchemy compiles a text with all parameters of all rows, and SQLite's own
`insert` it compiles each time anew. The same rows beside a statement for one need the text for one, made once. And a
run, its state, its queue and its pool are one row joined, for which Prefect asks in four statements.
"""

from functools import cache
from typing import Any, Final, cast

from prefect.server.database.orm_models import Deployment, FlowRun, TaskRun, WorkQueue
from sqlalchemy import BindParameter, ClauseElement, Insert, Result, Select, insert
from sqlalchemy.orm import Load, Mapper, ORMExecuteState, RelationshipProperty

TO_ONE: Final = (
    (FlowRun, "_state"),
    (FlowRun, "work_queue"),
    (TaskRun, "_state"),
    (Deployment, "work_queue"),
    (Deployment, "global_concurrency_limit"),
    (WorkQueue, "work_pool"),
)
"""Relations that Prefect reads with every row, each in a statement of its own."""


def join_relations() -> None:
    """Read them in the row's own statement; to be called before the first one."""
    for model, name in TO_ONE:
        relation = cast("RelationshipProperty[Any]", model.__mapper__.get_property(name))
        relation.lazy = "joined"
        relation.strategy_key = (("lazy", "joined"),)


def joined_once(state: ORMExecuteState) -> None:
    """A listener of a session's `do_orm_execute`: what is joined anyway is not asked for in statements of its own."""
    statement = state.statement
    if not isinstance(statement, Select):
        return
    kept = tuple(option for option in statement._with_options if not _is_joined(option))
    if len(kept) < len(statement._with_options):
        state.statement = statement._generate()
        state.statement._with_options = kept


def _is_joined(option: Any) -> bool:
    """Whether an option says of nothing but joined relations how they are read."""
    relations = [step for step in getattr(option, "path", ()) if isinstance(step, RelationshipProperty)]
    return isinstance(option, Load) and bool(relations) and all(step.lazy == "joined" for step in relations)


def beside_statement(state: ORMExecuteState) -> Result[Any] | None:
    """A listener of a session's `do_orm_execute`: rows go beside the statement instead of into it.

    None leaves the statement as it is: where there is nothing to change, and where rows are to be returned.
    """
    statement = state.statement
    if not isinstance(statement, Insert) or statement._returning or not (rows := _rows(statement)):
        return None
    return state.session.execute(_bare(statement), rows, execution_options={"dml_strategy": "raw"})


def _rows(statement: Insert) -> list[dict[str, Any]]:
    """Those in a statement; none where there are expressions among their values."""
    several = [row for rows in statement._multi_values for row in rows]
    single = [statement._values] if statement._values else []
    rows = [_by_key(row) for row in several or single]
    return [] if any(isinstance(value, ClauseElement) for row in rows for value in row.values()) else rows


def _by_key(row: Any) -> dict[str, Any]:
    return {
        column if isinstance(column, str) else column.key: value.value if isinstance(value, BindParameter) else value
        for column, value in row.items()
    }


def _bare(statement: Insert) -> Insert:
    """The same statement without its rows; every dialect's, which is compiled once, where that says all of it."""
    entity = statement._propagate_attrs.get("plugin_subject")
    if statement._post_values_clause is None and isinstance(entity, Mapper):
        return _of(entity)
    bare = statement._generate()
    bare._multi_values, bare._values = (), None
    return bare


@cache
def _of(entity: Mapper[Any]) -> Insert:
    return insert(entity)
