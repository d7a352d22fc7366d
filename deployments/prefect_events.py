"""Prefect's in-memory event bus on which each service gets what it reads, told by an event's name before it is parsed.

Prefect hands every event to four services, and each of them parses it. Two thirds of a film's events are of task runs.
Their states are kept as task runs, which the UI shows; that they are kept once more as events nobody sees, since all of
the UI's lists of events leave them out. Nor are past heartbeats read by anybody, two a minute for each run. Automations
hear of task runs where there is one that would act on them, and of all else as ever; whoever follows events as they
happen gets what was asked for.

The setting `PREFECT_MESSAGING_BROKER` names this module.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from prefect.server.events import stream, triggers
from prefect.server.events.ordering import get_triggers_causal_ordering
from prefect.server.events.schemas.events import ReceivedEvent, Resource
from prefect.server.utilities.messaging import Message, MessageHandler, memory
from prefect.server.utilities.messaging.memory import Publisher, break_topic, ephemeral_subscription

from deployments.push import BEAT
from tasks.clock import now

__all__ = ["Consumer", "Publisher", "break_topic", "ephemeral_subscription"]

TASK_RUN: Final = "prefect.task-run."


def is_of_task_run(name: str) -> bool:
    """Whether the recorder of task runs would keep it."""
    return name.startswith(TASK_RUN)


def is_kept(name: str) -> bool:
    """Whether it belongs into the list of events."""
    return name != BEAT and not is_of_task_run(name)


def is_awaited(name: str) -> bool:
    """Whether an automation may act on it, or is to learn from it what time it is: nearly all tell that."""
    automations = triggers.triggers.values()
    return not is_of_task_run(name) or any(one.expects(name) or one.starts_after(name) for one in automations)


def is_followed(name: str) -> bool:
    """Whether somebody who follows events now may have asked for it."""
    return any(asked.event is None or asked.event.includes(_named(name)) for asked in stream.filters.values())


@lru_cache(maxsize=1000)
def _named(name: str) -> ReceivedEvent:
    nothing = Resource({"prefect.resource.id": "none"})
    return ReceivedEvent(id=UUID(int=0), occurred=now(), event=name, resource=nothing)


READS: Final[dict[str, Callable[[str], bool]]] = {
    "event-persister": is_kept,
    "task-run-recorder": is_of_task_run,
    "reactive-triggers": is_awaited,
    "events": is_followed,
}
"""Which events a service reads, by the group that it consumes for or, where it has none, the topic. Others read all."""


class Consumer(memory.Consumer):
    """A consumer that passes over what its service does not read."""

    def __init__(self, topic: str, *args: Any, group: str = "", **kwargs: Any) -> None:
        super().__init__(topic, *args, **kwargs)
        self._reads = READS.get(group or topic)

    async def run(self, handler: MessageHandler) -> None:
        """Hand on what is read, until the service stops."""
        await super().run(_only(self._reads, handler) if self._reads else handler)


def _only(reads: Callable[[str], bool], handler: MessageHandler) -> MessageHandler:
    async def handle(message: Message) -> None:
        about = message.attributes or {}
        if reads(about.get("event", "")):
            await handler(message)
        elif reads is is_awaited:  # the next of the same task run would be kept back until this one is seen
            seen = _named("").model_copy(update={"id": UUID(about["id"])})
            await get_triggers_causal_ordering().record_event_as_seen(seen)

    return handle
