"""What a worker tells Prefect's server of its runs: all that somebody reads."""

from typing import Any, Final
from uuid import UUID

from prefect.events import Event
from prefect.events.clients import PrefectEventsClient
from prefect.events.worker import EventsWorker, emit_events_to_cloud

UNREAD: Final = frozenset({"prefect.task-run.Pending"})
"""A task's first state lasts for milliseconds, and the server spends on it as much as on the two that follow."""


class SparingEventsClient(PrefectEventsClient):
    """Sends events but those that nobody reads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what Prefect's client takes."""
        super().__init__(*args, **kwargs)
        self._left: set[UUID] = set()

    async def emit(self, event: Event) -> None:
        """Send one event, or leave it; the server would keep the next one back for seconds, until this one came."""
        if event.event in UNREAD:
            self._left.add(event.id)
            return
        if event.follows in self._left:
            self._left.discard(event.follows)
            event = event.model_copy(update={"follows": None})
        await super().emit(event)


def be_sparing() -> None:
    """From now on, in this process; Prefect's cloud gets everything."""
    if not emit_events_to_cloud():
        EventsWorker.set_client_override(SparingEventsClient)
