"""Which of Prefect's services reads which events."""

import asyncio
from contextlib import suppress
from uuid import uuid4

import pytest
from prefect.server.utilities.messaging import Message
from prefect.server.utilities.messaging.memory import Cache, Topic

from deployments.prefect_events import Consumer, Publisher

UNKEPT = ["prefect.task-run.Running", "prefect.flow-run.heartbeat"]
KEPT = ["prefect.flow-run.Running", "prefect.artifact.created", "prefect.log.write"]
EVENTS = UNKEPT + KEPT


async def read_by(group: str | None) -> list[str]:
    """The events that reach a service, of one of each kind."""
    topic, read = f"events-{uuid4()}", []
    publisher = Publisher(topic, Cache())
    consumer = Consumer(topic, group=group) if group else Consumer(topic)

    async def note(message: Message) -> None:
        read.append(message.attributes["event"])

    running = asyncio.create_task(consumer.run(note))
    for name in EVENTS:
        await publisher.publish_data(b"{}", {"id": str(uuid4()), "event": name})
    for _ in range(20 * len(EVENTS)):
        await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await consumer.cleanup()
    Topic._topics.pop(topic)
    return read


async def test_task_runs_are_recorded_as_such_and_not_once_more_as_events() -> None:
    assert await read_by("task-run-recorder") == UNKEPT[:1]
    assert await read_by("event-persister") == KEPT


@pytest.mark.parametrize("group", [None, "actions", "event-logger", "reactive-triggers"])
async def test_others_read_all(group: str | None) -> None:
    assert await read_by(group) == EVENTS
