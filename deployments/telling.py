"""What a worker tells Prefect's server of its runs: all that somebody reads."""

from typing import Final

from prefect.events import Event
from prefect.events.clients import PrefectEventsClient
from prefect.events.worker import EventsWorker, emit_events_to_cloud

UNREAD: Final = frozenset({"prefect.task-run.Pending"})
"""A task's first state lasts for milliseconds, and the server spends on it as much as on the two that follow."""


class SparingEventsClient(PrefectEventsClient):
    """Sends events but those that nobody reads."""

    async def emit(self, event: Event) -> None:
        """Send one event, or leave it."""
        if event.event not in UNREAD:
            await super().emit(event)


def be_sparing() -> None:
    """From now on, in this process; Prefect's cloud gets everything."""
    if not emit_events_to_cloud():
        EventsWorker.set_client_override(SparingEventsClient)
