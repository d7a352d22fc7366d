"""JobRecords: the only code that reads or writes the tables."""

from api.records.base import JobNotFound, MoveRefused, SceneNotFound
from api.records.gates import Gates
from api.records.holds import Holds
from api.records.jobs import Jobs, KeyReused, NewJob
from api.records.ledger import Ledger
from api.records.library import Library
from api.records.outbox import LiveJob, Outbox, Waiting
from api.records.queue import Queue
from api.records.reconciling import Paid, Reconciling
from api.records.standing import Standings

__all__ = [
    "JobNotFound",
    "JobRecords",
    "KeyReused",
    "LiveJob",
    "MoveRefused",
    "NewJob",
    "Paid",
    "SceneNotFound",
    "Waiting",
]


class JobRecords(Jobs, Ledger, Outbox, Library, Holds, Gates, Queue, Reconciling, Standings):
    """The ledger: what people ask of it, what the flow tells it, what Prefect has yet to hear, and the rest."""
