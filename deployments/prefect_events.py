"""Prefect's in-memory event bus on which each service gets what it reads, told by an event's name before it is parsed.

Prefect hands every event to four services, and each of them parses it. Two thirds of a film's events are of task runs.
Their states are kept as task runs, which the UI shows; that they are kept once more as events nobody sees, since all of
the UI's lists of events leave them out. Nor are past heartbeats read by anybody, two a minute for each run. Automations
hear of task runs where there is one that would act on them, and of all else as ever; whoever follows events as they
happen gets what was asked for.

Whoever begins to follow a run is sent what is written of it first. Prefect writes every five seconds, and a run that
ended in between was followed for ever: `prefect deployment run --watch` of a script that is refused at once never came
back. So the last events of flow runs are remembered for a moment, and told whoever comes.

The setting `PREFECT_MESSAGING_BROKER` names this module.
"""

from asyncio import Queue, QueueFull
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from time import monotonic
from typing import Any, Final
from uuid import UUID

from prefect.server.events import stream, triggers
from prefect.server.events.filters import EventFilter
from prefect.server.events.ordering import get_triggers_causal_ordering
from prefect.server.events.schemas.events import ReceivedEvent, Resource
from prefect.server.utilities.messaging import Message, MessageHandler, memory
from prefect.server.utilities.messaging.memory import Publisher, break_topic, ephemeral_subscription

from deployments.push import BEAT
from tasks.clock import now

__all__ = ["Consumer", "Publisher", "break_topic", "ephemeral_subscription"]

FLOW_RUN: Final = "prefect.flow-run."
TASK_RUN: Final = "prefect.task-run."
MOMENT: Final = 15.0
"""Seconds for which events are remembered: three times as long as Prefect takes to write them."""

Reading = Callable[[MessageHandler], MessageHandler]
"""How a service's handler is handed its messages."""

just_now: Final[deque[tuple[float, Message]]] = deque()
"""What was told of flow runs in the last moment, and when."""


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


async def nothing(_: Message) -> None:
    """What most services are told of an event that they do not read."""


async def as_seen(message: Message) -> None:
    """The next event of the same task run would be kept back by the triggers until this one is seen."""
    seen = _named("").model_copy(update={"id": UUID(_about(message, "id"))})
    await get_triggers_causal_ordering().record_event_as_seen(seen)


def only(wanted: Callable[[str], bool], otherwise: MessageHandler = nothing) -> Reading:
    """Hand on the events whose names are wanted."""

    def reading(handler: MessageHandler) -> MessageHandler:
        async def handle(message: Message) -> None:
            await (handler if wanted(_about(message, "event")) else otherwise)(message)

        return handle

    return reading


def remembered(handler: MessageHandler) -> MessageHandler:
    """Remember for a moment what is told of flow runs, and hand on everything."""

    async def handle(message: Message) -> None:
        name = _about(message, "event")
        if name.startswith(FLOW_RUN) and name != BEAT:
            _forget()
            just_now.append((monotonic(), message))
        await handler(message)

    return handle


def _forget() -> None:
    while just_now and just_now[0][0] < monotonic() - MOMENT:
        just_now.popleft()


def _about(message: Message, what: str) -> str:
    return str((message.attributes or {}).get(what, ""))


READINGS: Final[dict[str, Reading]] = {
    "event-persister": only(is_kept),
    "task-run-recorder": only(is_of_task_run),
    "reactive-triggers": only(is_awaited, as_seen),
    "events": lambda handler: remembered(only(is_followed)(handler)),
}
"""Of each service by the group that it consumes for or, where it has none, the topic. Others read all."""


class Consumer(memory.Consumer):
    """A consumer that passes over what its service does not read."""

    def __init__(self, topic: str, *args: Any, group: str = "", **kwargs: Any) -> None:
        super().__init__(topic, *args, **kwargs)
        self._reading = READINGS.get(group or topic)

    async def run(self, handler: MessageHandler) -> None:
        """Hand on what is read, until the service stops."""
        await super().run(self._reading(handler) if self._reading else handler)


_subscribed: Final = stream.subscribed


@asynccontextmanager
async def subscribed(filter: EventFilter) -> AsyncGenerator[Queue[ReceivedEvent], None]:  # noqa: A002
    """Follow events, beginning with those of the last moment. One that is written by now is known by its id."""
    async with _subscribed(filter) as queue:
        _forget()
        for _, message in just_now:
            event = ReceivedEvent.model_validate_json(message.data)
            if not filter.excludes(event):
                with suppress(QueueFull):
                    queue.put_nowait(event)
        yield queue


stream.subscribed = subscribed  # here, since every Prefect server that is told of this module has it
