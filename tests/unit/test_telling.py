from collections.abc import Iterator

import pytest
from prefect.events import Event
from prefect.events.clients import PrefectEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, PREFECT_CLOUD_API_URL, temporary_settings

from deployments.telling import SparingEventsClient, be_sparing


@pytest.fixture
def override() -> Iterator[None]:
    before = EventsWorker._client_override
    EventsWorker.set_client_override(None)
    yield
    EventsWorker._client_override = before


def event(name: str, follows: Event | None = None) -> Event:
    return Event(
        event=name, resource={"prefect.resource.id": "prefect.task-run.1"}, follows=follows.id if follows else None
    )


def client() -> SparingEventsClient:
    made = SparingEventsClient("http://127.0.0.1:9/api")
    made._in_context = True
    return made


def told_of(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What goes to the server."""
    told: list[Event] = []

    async def emit(_: PrefectEventsClient, event: Event) -> None:
        told.append(event)

    monkeypatch.setattr(PrefectEventsClient, "_emit", emit)
    return told


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("prefect.task-run.Pending", False),
        ("prefect.task-run.Running", True),
        ("prefect.task-run.Completed", True),
        ("prefect.task-run.AwaitingRetry", True),
        ("prefect.flow-run.Pending", True),
        ("prefect.flow-run.heartbeat", True),
    ],
)
async def test_all_is_sent_but_the_first_state_of_a_task(
    monkeypatch: pytest.MonkeyPatch, name: str, *, sent: bool
) -> None:
    told = told_of(monkeypatch)
    await client().emit(event(name))
    assert [event.event for event in told] == [name] * sent


async def test_what_follows_the_one_that_is_left_out_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told, prefect = told_of(monkeypatch), client()
    pending = event("prefect.task-run.Pending")
    running = event("prefect.task-run.Running", follows=pending)
    completed = event("prefect.task-run.Completed", follows=running)
    for one in (pending, running, completed):
        await prefect.emit(one)
    assert [one.id for one in told] == [running.id, completed.id]
    assert [one.follows for one in told] == [None, running.id]
    assert not prefect._left


@pytest.mark.usefixtures("override")
@pytest.mark.parametrize(("api", "sparing"), [("http://127.0.0.1:4200/api", True), (None, False)])
def test_prefects_cloud_is_told_everything(api: str | None, *, sparing: bool) -> None:
    with temporary_settings(updates={PREFECT_API_URL: api or f"{PREFECT_CLOUD_API_URL.value()}/accounts/1"}):
        be_sparing()
    assert EventsWorker._client_override == ((SparingEventsClient, ()) if sparing else None)
