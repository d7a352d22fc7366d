"""Which of Prefect's services reads which events."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from time import monotonic
from uuid import UUID, uuid4

import pytest
from prefect.server.events import stream, triggers
from prefect.server.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.server.events.ordering import get_triggers_causal_ordering
from prefect.server.events.schemas.automations import EventTrigger, Posture
from prefect.server.events.schemas.events import ReceivedEvent, Resource
from prefect.server.utilities.messaging import Message
from prefect.server.utilities.messaging.memory import Cache, MemoryMessage, Topic

from deployments import prefect_events
from deployments.prefect_events import Consumer, Publisher
from tasks.clock import now

UNKEPT = ["prefect.task-run.Running", "prefect.flow-run.heartbeat"]
KEPT = ["prefect.flow-run.Running", "prefect.artifact.created", "prefect.log.write"]
EVENTS = UNKEPT + KEPT


async def read_by(group: str | None, sent: list[UUID] | None = None) -> list[str]:
    """The events that reach a service, of one of each kind; the ids of all are added to `sent`."""
    topic, read, ids = "events", list[str](), [uuid4() for _ in EVENTS]
    publisher = Publisher(topic, Cache())
    consumer = Consumer(topic, group=group) if group else Consumer(topic)

    async def note(message: Message) -> None:
        read.append(message.attributes["event"])

    running = asyncio.create_task(consumer.run(note))
    for event, name in zip(ids, EVENTS, strict=True):
        await publisher.publish_data(b"{}", {"id": str(event), "event": name})
    for _ in range(20 * len(EVENTS)):
        await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await consumer.cleanup()
    Topic._topics.pop(topic)
    if sent is not None:
        sent += ids
    return read


async def test_task_runs_are_recorded_as_such_and_not_once_more_as_events() -> None:
    assert await read_by("task-run-recorder") == UNKEPT[:1]
    assert await read_by("event-persister") == KEPT


@pytest.mark.parametrize("group", ["actions", "event-logger"])
async def test_others_read_all(group: str) -> None:
    assert await read_by(group) == EVENTS


async def test_automations_hear_of_task_runs_where_one_of_them_acts_on_those() -> None:
    assert await read_by("reactive-triggers") == [UNKEPT[1], *KEPT]
    with automation(expect={"prefect.task-run.Failed"}):
        assert await read_by("reactive-triggers") == [UNKEPT[1], *KEPT]
    for acting in ({"expect": {"prefect.task-run.R*"}}, {"after": {UNKEPT[0]}, "expect": {"never"}}, {}):
        with automation(**acting):
            assert await read_by("reactive-triggers") == EVENTS


async def test_what_automations_pass_over_keeps_nothing_back_that_follows_it() -> None:
    passed: list[UUID] = []
    await read_by("reactive-triggers", passed)
    seen = get_triggers_causal_ordering().event_has_been_seen
    assert [await seen(event) for event in passed] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ([], []),
        ([EventFilter()], EVENTS),
        ([EventFilter(event=EventNameFilter(name=[KEPT[0]]))], KEPT[:1]),
        ([EventFilter(event=EventNameFilter(exclude_prefix=["prefect.task-run."]))], [UNKEPT[1], *KEPT]),
        ([EventFilter(event=EventNameFilter(name=[name])) for name in (KEPT[0], UNKEPT[0])], [UNKEPT[0], KEPT[0]]),
    ],
)
async def test_who_follows_events_gets_what_was_asked_for(asked: list[EventFilter], read: list[str]) -> None:
    with ExitStack() as following:
        for one in asked:
            queue: asyncio.Queue[ReceivedEvent] = asyncio.Queue()
            stream.filters[queue] = one
            following.callback(stream.filters.pop, queue)
        assert await read_by(None) == read


@pytest.fixture(autouse=True)
def nothing_just_now() -> None:
    prefect_events.just_now.clear()


async def test_who_begins_to_follow_a_run_gets_what_it_was_told_a_moment_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written only every five seconds, and what is not written is not sent at first."""
    ours, other = [about_run(uuid4()) for _ in range(2)]
    hour = monotonic()
    for at, told in ((hour - 20, ours), (hour - 10, ours), (hour - 5, other), (hour, ours)):
        monkeypatch.setattr(prefect_events, "monotonic", lambda at=at: at)
        await prefect_events.remembered(prefect_events.nothing)(of(told))
    asked = EventFilter(resource=EventResourceFilter(id=[ours.resource.id]))
    async with stream.subscribed(asked) as queue:
        told_ours = [queue.get_nowait() for _ in range(queue.qsize())]
    assert [event.resource.id for event in told_ours] == [ours.resource.id] * 2


async def test_beats_and_task_runs_are_not_remembered() -> None:
    await read_by(None)
    assert [message.attributes["event"] for _, message in prefect_events.just_now] == ["prefect.flow-run.Running"]


def about_run(run: UUID) -> ReceivedEvent:
    resource = Resource({"prefect.resource.id": f"prefect.flow-run.{run}"})
    return ReceivedEvent(id=uuid4(), occurred=now(), event="prefect.flow-run.Failed", resource=resource)


def of(event: ReceivedEvent) -> MemoryMessage:
    return MemoryMessage(event.model_dump_json().encode(), {"id": str(event.id), "event": event.event})


@contextmanager
def automation(**acting: set[str]) -> Iterator[None]:
    """An automation that acts on events of these names; without any, on all."""
    trigger = EventTrigger(posture=Posture.Reactive, threshold=1, within=timedelta(0), **acting)
    triggers.triggers[trigger.id] = trigger
    try:
        yield
    finally:
        del triggers.triggers[trigger.id]
