"""Prefect's in-memory event bus on which each service gets what it reads, told by an event's name before it is parsed.

Prefect hands every event to four services, and each of them parses it. Two thirds of a film's events are of task runs.
Their states are kept as task runs, which the UI shows; that they are kept once more as events nobody sees, since all of
the UI's lists of events leave them out. Nor are past heartbeats read by anybody, two a minute for each run. Automations
hear of every event, as ever.

The setting `PREFECT_MESSAGING_BROKER` names this module.
"""

from collections.abc import Callable
from typing import Any, Final

from prefect.server.utilities.messaging import Message, MessageHandler, memory
from prefect.server.utilities.messaging.memory import Publisher, break_topic, ephemeral_subscription

from deployments.push import BEAT

__all__ = ["Consumer", "Publisher", "break_topic", "ephemeral_subscription"]

TASK_RUN: Final = "prefect.task-run."


def is_of_task_run(name: str) -> bool:
    """Whether the recorder of task runs would keep it."""
    return name.startswith(TASK_RUN)


def is_kept(name: str) -> bool:
    """Whether it belongs into the list of events."""
    return name != BEAT and not is_of_task_run(name)


READS: Final[dict[str, Callable[[str], bool]]] = {
    "event-persister": is_kept,
    "task-run-recorder": is_of_task_run,
}
"""Which events a service reads, by the group that it consumes for. Others read all, triggers among them: by the events
that they see they know what time it is, and a run whose worker is gone is found by that."""


class Consumer(memory.Consumer):
    """A consumer that passes over what its service does not read."""

    def __init__(self, topic: str, *args: Any, group: str = "", **kwargs: Any) -> None:
        super().__init__(topic, *args, **kwargs)
        self._reads = READS.get(group)

    async def run(self, handler: MessageHandler) -> None:
        """Hand on what is read, until the service stops."""
        await super().run(_only(self._reads, handler) if self._reads else handler)


def _only(reads: Callable[[str], bool], handler: MessageHandler) -> MessageHandler:
    async def handle(message: Message) -> None:
        if reads((message.attributes or {}).get("event", "")):
            await handler(message)

    return handle
