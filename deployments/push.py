"""Prefect's events as they happen: how a worker hears of a run without asking."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from uuid import UUID

from prefect.events import Event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter

from tasks.logs import said

DUE: Final = frozenset(f"prefect.flow-run.{name}" for name in ("Scheduled", "AwaitingRetry", "Resuming"))
"""Events after which a run may be due."""
ENDED: Final = frozenset(
    f"prefect.flow-run.{name}" for name in ("Cancelling", "Cancelled", "Suspended", "Completed", "Failed", "Crashed")
)
"""Events after which a run may no longer be the worker's to run."""
BEAT: Final = "prefect.flow-run.heartbeat"
"""A run is alive."""
_LONGEST_WAIT = 5.0  # seconds between tries to reach Prefect again

logger = logging.getLogger(__name__)


def of_pool(pool_id: UUID) -> EventFilter:
    """Select the events of a work pool's runs that concern a worker."""
    return EventFilter(
        event=EventNameFilter(name=sorted(DUE | ENDED)),
        any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{pool_id}"]),
    )


def flow_run_id(event: Event) -> UUID:
    """Tell which run an event is about."""
    return UUID(event.resource["prefect.resource.id"].removeprefix("prefect.flow-run."))


async def listen(events: EventFilter, connected: Callable[[], None], heard: Callable[[Event], None]) -> None:
    """Call `heard` with each event, for ever; `connected` whenever there may have been a gap before.

    Prefect being away is no error here: it is tried again, at most every five seconds.
    """
    wait = 0.25
    while True:
        try:
            async with get_events_subscriber(filter=events, reconnection_attempts=0) as subscriber:
                wait = 0.25
                connected()
                async for event in subscriber:
                    heard(event)
        except Exception as exc:  # noqa: BLE001 -- whatever breaks a subscription, the poll goes on and it is tried again
            level = logging.WARNING if wait < 0.5 else logging.DEBUG
            logger.log(level, "No events from Prefect, polling: %s", said(exc))
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
