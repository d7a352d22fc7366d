"""Any story at all, told by flows, dispatchers, people and Luma: what must hold holds after every word."""

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from api.database import Database
from api.records import JobNotFound, JobRecords, LiveJob, MoveRefused
from api.records.base import Change
from api.states import SPENT, TERMINAL
from api.views import job_view
from tasks.ledger import OPEN_ATTEMPTS, Attempt, GenerationClaimed, JobCancelled, Superseded
from tests.integration.jobs_made import OPTIONS, PRICE, SCRIPT, clip_of, film, new_job, storyboard

REFUSALS = (MoveRefused, JobNotFound, JobCancelled, Superseded, GenerationClaimed)
SCENES = st.integers(1, 3)
ANY = st.integers(0, 1_000)


class Story(RuleBasedStateMachine):
    """One job; whoever speaks may be late, doubled or mistaken."""

    def __init__(self, runner: asyncio.Runner, records: JobRecords, another: JobRecords) -> None:
        super().__init__()
        self._runner, self._records, self._another = runner, records, another
        self.scenes = 0
        self.runs: list[UUID] = []
        self.attempts: list[Attempt] = []
        self.learnt: list[LiveJob] = []
        self.adopted: set[UUID] = set()
        self.paid: set[str] = set()  # ids that Luma gave and the ledger was told
        self.clips: set[UUID] = set()  # attempts whose clip the ledger was told of
        self.asked_again = False
        self.before: tuple[int, int, str, bytes] | None = None

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What the ledger answers; None when it refuses."""
        with contextlib.suppress(*REFUSALS):
            return self._runner.run(work)
        return None

    @initialize(scenes=SCENES, first=st.sampled_from(["", "submit", "doubted"]))
    def create(self, scenes: int, first: str) -> None:
        """Well begun; what comes before that is told by tables."""
        self.job_id, _, _ = self._runner.run(self._records.create(new_job()))
        self.begin(0, True)
        self.plan(scenes)
        self.intend(0, first)

    @rule()
    def from_another_process(self) -> None:
        """Which has seen nothing of what was told here."""
        self._records, self._another = self._another, self._records

    @rule()
    def dispatch(self) -> None:
        for row in self.do(self._records.outbox(limit=10_000)):
            if row.job_id == self.job_id:
                self.runs.append(uuid4())
                self.do(
                    self._records.dispatched(row, self.runs[-1]) if row.kind == "start" else self._records.told(row)
                )

    @rule(which=ANY, fresh=st.booleans())
    def begin(self, which: int, fresh: bool) -> None:
        if fresh or not self.runs:
            self.runs.append(uuid4())
        run = self.runs[which % len(self.runs)]
        self.do(self._records.begin(self.job_id, run, SCRIPT, None, OPTIONS))

    @rule(scenes=SCENES)
    def plan(self, scenes: int) -> None:
        job = self.do(self._records.planned(self.job_id, storyboard(scenes), PRICE))
        self.scenes = len(job.scenes) if job else self.scenes

    @precondition(lambda self: self.scenes)
    @rule(which=ANY, then=st.sampled_from(["", "submit", "submit", "doubted", "lost"]))
    def intend(self, which: int, then: str) -> None:
        request: dict[str, object] = {"prompt": "words"}
        attempt = self.do(self._records.intend(self.job_id, 1 + which % self.scenes, request, None))
        if attempt:
            self.attempts.append(attempt)
            self.submit(-1) if then == "submit" else self.tell(-1, then)

    @precondition(lambda self: self.attempts)
    @rule(which=ANY)
    def submit(self, which: int) -> None:
        attempt = self.attempts[which % len(self.attempts)]
        if attempt.id not in self.adopted:
            self._give_id(attempt, f"generation-{attempt.id}")

    @precondition(lambda self: len(self.attempts) > 1)
    @rule(which=ANY, other=ANY)
    def adopt(self, which: int, other: int) -> None:
        """Found in Luma's list by its words: it may be another attempt's."""
        attempt, owner = self.attempts[which % len(self.attempts)], self.attempts[other % len(self.attempts)]
        if f"generation-{attempt.id}" not in self.paid and attempt.id not in self.adopted:
            self._give_id(attempt, f"generation-{owner.id}")
            self.adopted.add(attempt.id)

    def _give_id(self, attempt: Attempt, generation_id: str) -> None:
        try:
            self._runner.run(self._records.submitted(attempt, generation_id))
        except GenerationClaimed:
            assert generation_id in self.paid
        except Superseded:  # too late, and kept all the same
            pass
        self.paid.add(generation_id)

    @precondition(lambda self: self.attempts)
    @rule(which=ANY, tell=st.sampled_from(["doubted", "refused", "lost", "unknown", "failed", "refunded"]))
    def tell(self, which: int, tell: str) -> None:
        attempt = self.attempts[which % len(self.attempts)]
        if not tell:
            return
        self.do(
            {
                "doubted": lambda: self._records.doubted(attempt, "no answer"),
                "refused": lambda: self._records.refused(attempt, "too many"),
                "lost": lambda: self._records.lost(attempt),
                "unknown": lambda: self._records.unknown(attempt, "can't tell"),
                "failed": lambda: self._records.failed(attempt, "too late", refunded=False),
                "refunded": lambda: self._records.failed(attempt, "moderated", refunded=True),
            }[tell]()
        )

    @precondition(lambda self: self.attempts)
    @rule(which=ANY)
    def complete(self, which: int) -> None:
        attempt = self.attempts[which % len(self.attempts)]
        with contextlib.suppress(Superseded):
            self._runner.run(self._records.completed(attempt, clip_of(attempt)))
            self.clips.add(attempt.id)

    @precondition(lambda self: self.attempts)
    @rule(which=ANY)
    def ring(self, which: int) -> None:
        self.do(self._records.ring(self.attempts[which % len(self.attempts)].token))

    @precondition(lambda self: self.scenes)
    @rule(which=ANY)
    def scene_failed(self, which: int) -> None:
        self.do(self._records.scene_failed(self.job_id, 1 + which % self.scenes, "no", "no"))

    @precondition(lambda self: self.attempts)  # an early end makes a short story
    @rule(which=ANY, end=st.sampled_from(["filmed", "filmed", "failed", "cancelled"]))
    def end(self, which: int, end: str) -> None:
        if end == "filmed":
            self.do(self._records.filmed(self.job_id, film()))
        elif end == "failed":
            self.do(self._records.job_failed(self.job_id, "no", "no"))
        elif self.runs:
            self.do(self._records.job_cancelled(self.job_id, self.runs[which % len(self.runs)]))

    @precondition(lambda self: self.attempts)
    @rule(which=ANY, learn=st.sampled_from(["crashed", "crashed", "failed", "cancelled", "cancelling"]))
    def learn(self, which: int, learn: str) -> None:
        """Of the run now, or of one that somebody looked at earlier."""
        self.learnt += [job for job in self.do(self._records.live_jobs()) if job.job_id == self.job_id]
        if self.learnt:
            job = self.learnt[-1 - which % len(self.learnt)]
            said = [] if learn.startswith("cancel") else ["why"]
            self.do(getattr(self._records, f"run_{learn}")(job, *said))

    @precondition(lambda self: self.attempts)
    @rule()
    def cancel(self) -> None:
        self.do(self._records.cancel(self.job_id))

    @precondition(lambda self: self.attempts)
    @rule(which=ANY, ask=st.sampled_from(["retry", "regenerate", "choose"]), begun=st.booleans())
    def again(self, which: int, ask: str, begun: bool) -> None:
        attempt = self.attempts[which % len(self.attempts)]
        asked = {
            "retry": lambda: self._records.retry(self.job_id),
            "regenerate": lambda: self._records.regenerate(self.job_id, attempt.scene_number, "other words"),
            "choose": lambda: self._records.choose(self.job_id, attempt.scene_number, attempt.id),
        }[ask]
        self.asked_again = self.do(asked()) is not None
        if self.asked_again and begun:
            self.begin(0, True)

    @invariant()
    def what_is_shown_is_what_is_there(self) -> None:
        now: Change = self._runner.run(self._records.snapshot(self.job_id))
        view = job_view(now.job, now.scenes, now.attempts, revision=now.job.revision, prefect_ui=None).model_dump_json(
            by_alias=True
        )
        assert now.job.body == view.encode()
        latest: Change = self._runner.run(self._records.latest(self.job_id))
        assert (latest.job.revision, latest.job.body) == (now.job.revision, now.job.body)
        self._went_forward(now)
        self._money_adds_up(now, json.loads(view))
        assert (now.job.ended_at is not None) == (now.job.status in TERMINAL)
        assert now.job.status != "completed" or now.job.film is not None

    def _went_forward(self, now: Change) -> None:
        """Revision and progress don't fall, and what has ended stays, until a person asks again."""
        job = now.job
        if self.before:
            revision, progress, status, body = self.before
            assert job.revision >= revision
            assert (job.revision == revision) == (job.body == body)
            if not self.asked_again:
                assert job.progress >= progress
                assert status not in TERMINAL or job.status == status
        self.before, self.asked_again = (job.revision, job.progress, job.status, job.body), False

    def _money_adds_up(self, now: Change, view: dict[str, Any]) -> None:
        for scene in now.scenes:
            mine = [row for row in now.attempts if row.scene_number == scene.number]
            assert sum(row.state in OPEN_ATTEMPTS for row in mine) <= 1
            if scene.status == "completed":
                assert any(row.id == scene.chosen_attempt_id and row.clip for row in mine)
        ids = [row.generation_id for row in now.attempts if row.generation_id]
        assert set(ids) == self.paid
        assert len(ids) == len(set(ids))
        assert all((row.state in SPENT) == (row.generation_id is not None) for row in now.attempts)
        assert view["cost"]["spentUsd"] == len(ids) * PRICE / 1e6
        assert {row.id for row in now.attempts if row.clip} == self.clips


@pytest.fixture
def telling(database_url: str) -> Iterator[tuple[asyncio.Runner, JobRecords, JobRecords]]:
    """A loop of its own, since Hypothesis calls from outside of any; and what two processes have."""
    with asyncio.Runner() as runner:
        database = Database(database_url)
        yield runner, JobRecords(database), JobRecords(database)
        runner.run(database.close())


def test_any_story(telling: tuple[asyncio.Runner, JobRecords, JobRecords]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Story(*telling),
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
