"""Task runs of the present flow run, of which Prefect hears when they begin."""

from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from prefect.client.schemas.objects import State
from prefect.task_engine import run_task_async
from prefect.tasks import Task
from prefect.utilities.annotations import quote
from prefect.utilities.callables import get_call_parameters

T = TypeVar("T")


async def run(task: Task[..., Coroutine[Any, Any, T]], *args: Any) -> T:
    """Call an async `task` as a task run and return its result, or raise its error.

    Calling the task itself does the same and tells Prefect first that it is pending, milliseconds before it runs. That
    third event of each run is one that four services of Prefect's server read and nobody else does. Nor are `args`
    searched through for results of other tasks.
    """
    parameters = {name: quote(given) for name, given in get_call_parameters(task.fn, args, {}).items()}
    task_run = await task.create_local_run(parameters=parameters)
    ended = await run_task_async(task, task_run=task_run, parameters=parameters, return_type="state")
    result: T = await cast("State[T]", ended).aresult()
    return result
