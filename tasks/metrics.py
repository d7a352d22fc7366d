"""All instruments, each counted in the process where it happens; a scrape shows those of every process of the machine.

Processes of one machine share a folder, named by PROMETHEUS_MULTIPROC_DIR (`storyreel up` sets it): then each keeps its
numbers in small mapped files there, and whoever is scraped reads them all. Without it, a process shows its own.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

PREFIX: Final = "storyreel_"
disable_created_metrics()  # type: ignore[no-untyped-call] # another series for each: not kept between processes
if _folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):  # a name of the library's, which wants it to be there
    Path(_folder).mkdir(parents=True, exist_ok=True)
_OWN: Final = CollectorRegistry()
_WAITS: Final = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_GENERATIONS: Final = (5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800)


def _counter(name: str, says: str, *labels: str) -> Counter:
    return Counter(PREFIX + name, says, labels, registry=_OWN)


def _gauge(name: str, says: str) -> Gauge:
    return Gauge(PREFIX + name, says, registry=_OWN, multiprocess_mode="livesum")


JOBS_ACCEPTED: Final = _counter("jobs_accepted", "Jobs that were accepted and written down.")
JOBS_ENDED: Final = _counter("jobs_ended", "Jobs that ended, by how.", "status")
GATE_HELD: Final = _gauge("gate_slots_held", "Slots of the Luma account that are in use.")
GATE_WAITING: Final = _gauge("gate_slots_waiting", "Scenes that wait at the gate for a slot.")
SLOT_WAIT: Final = Histogram(
    f"{PREFIX}gate_wait_seconds", "How long scenes waited at the gate for their slot.", buckets=_WAITS, registry=_OWN
)
SUBMISSIONS: Final = _counter("submissions", "Creates sent to Luma, by what came of them.", "result")
REFUSALS: Final = _counter("refusals", "Creates that began nothing and generations that Luma gave up, by kind.", "kind")
CHARGED: Final = _counter("charged_usd", "US dollars that generations with an id cost by the price table.")
REFUNDED: Final = _counter("refunded_usd", "US dollars of that which Luma gives back for failed generations.")
GENERATION: Final = Histogram(
    f"{PREFIX}generation_seconds",
    "From Luma's id for a generation to its clip in our store.",
    ["model"],
    buckets=_GENERATIONS,
    registry=_OWN,
)
POLLS: Final = _counter("polls", "Questions to Luma about running generations, by what was asked for.", "asked")
RECONCILES: Final = _counter("reconciles", "Comparisons of the ledger with Prefect's flow runs.")
REQUESTS: Final = _counter("http_requests", "Requests that the API answered.", "method", "route", "status")

for _result in ("taken", "refused", "doubted"):  # shown from the start, so that the first one is a rise
    SUBMISSIONS.labels(_result)
for _asked in ("list", "generation"):
    POLLS.labels(_asked)


class _Machine(Collector):
    """The instruments of all processes that share the folder, without what Prefect's client keeps there."""

    def __init__(self) -> None:
        """Raise ValueError when there is no such folder."""
        self._files = MultiProcessCollector(None)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        _forget_dead(Path(self._files._path))
        found: Iterable[Metric] = self._files.collect()  # type: ignore[no-untyped-call]
        return (metric for metric in found if metric.name.startswith(PREFIX))


def registry() -> CollectorRegistry:
    """All that can be told here, for one scrape; reading it may touch files."""
    made = CollectorRegistry()
    try:
        made.register(_Machine())
    except ValueError:
        made.register(_OWN)
    return made


def serve(port: int, host: str) -> None:
    """Answer scrapes in a thread, for as long as the process lives. Raises OSError when the port is taken."""
    start_http_server(port, host, registry())


def _forget_dead(folder: Path) -> None:
    """What a dead process held it holds no longer; what it counted stays."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not psutil.pid_exists(pid):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
