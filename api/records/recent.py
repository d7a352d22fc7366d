"""Jobs as this process wrote them last: whoever writes most of a job's changes need not read it anew for each."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Final
from uuid import UUID

from api.states import TERMINAL

if TYPE_CHECKING:
    from api.records.base import Change

AT_MOST: Final = 256
"""Jobs that are kept, the latest ones: more than a worker runs at once."""


class Recent:
    """Committed rows by job, to be believed only while the job's revision in the database is still theirs.

    What is no move of a job (`AttemptRow.rang_at`) raises no revision and may be missing in them.
    """

    def __init__(self) -> None:
        self._jobs: OrderedDict[UUID, Change] = OrderedDict()

    def __contains__(self, job_id: UUID) -> bool:
        return job_id in self._jobs

    def look(self, job_id: UUID, revision: int | None) -> "Change | None":
        """The job of this revision, for reading, before anything is awaited."""
        change = self._jobs.get(job_id)
        return change if change and change.job.revision == revision else None

    def take(self, job_id: UUID, revision: int | None) -> "Change | None":
        """The job of this revision, for changing: nobody else has it meanwhile, and it comes back by `keep`."""
        change = self._jobs.pop(job_id, None)
        return change if change and change.job.revision == revision else None

    def keep(self, change: "Change") -> None:
        """What was committed, out of its session. A job that has ended is let go."""
        self._jobs.pop(change.job.id, None)
        if change.job.status not in TERMINAL:
            self._jobs[change.job.id] = change
        if len(self._jobs) > AT_MOST:
            self._jobs.popitem(last=False)
