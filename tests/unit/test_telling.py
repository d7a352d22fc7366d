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
    told: list[str] = []

    async def emit(_: PrefectEventsClient, event: Event) -> None:
        told.append(event.event)

    monkeypatch.setattr(PrefectEventsClient, "_emit", emit)
    client = SparingEventsClient("http://127.0.0.1:9/api")
    client._in_context = True
    await client.emit(Event(event=name, resource={"prefect.resource.id": "prefect.task-run.1"}))
    assert told == [name] * sent


@pytest.mark.usefixtures("override")
@pytest.mark.parametrize(("api", "sparing"), [("http://127.0.0.1:4200/api", True), (None, False)])
def test_prefects_cloud_is_told_everything(api: str | None, *, sparing: bool) -> None:
    with temporary_settings(updates={PREFECT_API_URL: api or f"{PREFECT_CLOUD_API_URL.value()}/accounts/1"}):
        be_sparing()
    assert EventsWorker._client_override == ((SparingEventsClient, ()) if sparing else None)
