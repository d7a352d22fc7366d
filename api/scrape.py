"""What `/metrics` tells: the instruments of every process of this machine, and how the ledger stands now."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.database import AWAY
from api.records import JobRecords
from api.records.standing import Standing
from tasks import metrics

log = logging.getLogger("storyreel.metrics")

LEDGER_SECONDS: Final = 2.0
"""For the ledger's numbers; a scrape must not wait for a database that is away."""


@dataclass(eq=False, slots=True)
class Now(Collector):
    """Numbers that are read, not counted; without a ledger, its own are left out."""

    ledger: Standing | None
    lag: float
    """Seconds since ledger and Prefect were compared."""

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        yield _gauge(
            "ledger_up", "1 when the ledger answers; 0: the gauges read from it are left out.", bool(self.ledger)
        )
        lag = "Seconds since this process last compared the ledger with Prefect."
        yield _gauge("reconcile_lag_seconds", lag, self.lag)
        if self.ledger:
            yield _by_status("jobs", "Jobs that have not ended, by status.", self.ledger.jobs)
            yield _by_status("scenes", "Scenes of the jobs that have not ended, by status.", self.ledger.scenes)
            outbox = "Seconds that the oldest word to Prefect has waited; 0 when none waits."
            yield _gauge("outbox_age_seconds", outbox, self.ledger.outbox_age)
            yield _gauge("accounts_held", "Luma accounts that are refused, so that their jobs wait.", self.ledger.held)


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(metrics.PREFIX + name, says, value)


def _by_status(name: str, says: str, numbers: Mapping[Any, int]) -> Metric:
    family = GaugeMetricFamily(metrics.PREFIX + name, says, labels=["status"])
    for status, number in numbers.items():
        family.add_metric([status], number)
    return family


async def scrape(records: JobRecords, lag: float) -> bytes:
    """Everything in Prometheus's text format; asks neither Prefect nor Luma."""
    now = Now(await _standing(records), lag)
    return await asyncio.to_thread(_written, now)


async def _standing(records: JobRecords) -> Standing | None:
    try:
        async with asyncio.timeout(LEDGER_SECONDS):
            return await records.standing()
    except AWAY as error:
        log.warning("the ledger's numbers are left out: %s", type(error).__name__)
        return None


def _written(now: Now) -> bytes:
    registry = metrics.registry()
    registry.register(now)
    return generate_latest(registry)
