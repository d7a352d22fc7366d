"""What must hold, looked at after every commit, every answer of the API, and at the end."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from api.states import LIVE, TERMINAL, JobStatus
from deployments.sandbox.sandbox import Sandbox
from tasks.ledger import AttemptState

_JOBS: Final = (
    "SELECT id, status, progress, revision, run, step, body, error, flow_run_id FROM generation_jobs"
    " ORDER BY created_at, rowid"
)
_ATTEMPTS: Final = (
    "SELECT id, job_id, scene_number, take, run, state, token, generation_id, request, callback_url, clip, refunded"
    " FROM attempts ORDER BY intended_at, rowid"
)
_SCENES: Final = "SELECT job_id, number, status, take, chosen_attempt_id, error FROM scenes ORDER BY job_id, number"

_PAID: Final = frozenset({AttemptState.SUBMITTED, AttemptState.COMPLETED, AttemptState.FAILED, AttemptState.ABANDONED})


@dataclass
class Watch:
    """The ledger's history as anybody could have read it, and the rules about it."""

    raw: sqlite3.Connection
    sandbox: Sandbox
    log: Callable[[str], None]
    violations: list[str] = field(default_factory=list)
    jobs: dict[str, sqlite3.Row] = field(default_factory=dict)
    attempts: dict[str, sqlite3.Row] = field(default_factory=dict)
    scenes: dict[tuple[str, int], sqlite3.Row] = field(default_factory=dict)
    bodies: dict[tuple[str, int], bytes] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    restarts: Counter[str] = field(default_factory=Counter)
    """Runs that a person has asked for, per job."""

    def violated(self, rule: str) -> None:
        """Note it; the run goes on to its end."""
        self.log(f"!!! {rule}")
        self.violations.append(rule)

    def _rows(self, query: str) -> list[sqlite3.Row]:
        cursor = self.raw.execute(query)
        cursor.row_factory = sqlite3.Row
        return cursor.fetchall()

    def committed(self) -> None:
        """Compare the rows with those after the commit before."""
        for job in self._rows(_JOBS):
            self._job(job)
        for scene in self._rows(_SCENES):
            self._scene(scene)
        for attempt in self._rows(_ATTEMPTS):
            self._attempt(attempt)

    def _job(self, job: sqlite3.Row) -> None:
        name = self.names.setdefault(job["id"], f"J{len(self.jobs) + 1}")
        before = self.jobs.get(job["id"])
        if before is not None and tuple(before) == tuple(job):
            return
        self.jobs[job["id"]] = job
        self.bodies[job["id"], job["revision"]] = job["body"]
        body = json.loads(job["body"])
        shown = (body["status"], body["progress"], body["revision"], body["run"], body["currentStep"])
        if shown != (job["status"], job["progress"], job["revision"], job["run"], job["step"]):
            self.violated(f"{name}: the body shows {shown}, not what its row has")
        if before is None:
            self.log(f"ledger: {name} {job['status']}")
            return
        if (before["status"], before["run"]) != (job["status"], job["run"]):
            self.log(f"ledger: {name} {job['status']}, run {job['run']} {job['error'] or ''}".rstrip())
        self._moved(name, before, job)

    def _moved(self, name: str, before: sqlite3.Row, job: sqlite3.Row) -> None:
        if job["revision"] != before["revision"] + 1:
            self.violated(f"{name}: revision {before['revision']} → {job['revision']}")
        if job["run"] == before["run"] and job["progress"] < before["progress"]:
            self.violated(f"{name}: progress fell from {before['progress']} to {job['progress']}")
        if job["run"] < before["run"]:
            self.violated(f"{name}: an earlier run is back")
        if before["status"] in TERMINAL and job["status"] != before["status"]:
            if self.restarts[job["id"]] < 1:
                self.violated(f"{name}: {before['status']} became {job['status']} and nobody asked for it")
            self.restarts[job["id"]] -= 1

    def _scene(self, scene: sqlite3.Row) -> None:
        key = scene["job_id"], scene["number"]
        before = self.scenes.get(key)
        self.scenes[key] = scene
        name = f"{self.names[scene['job_id']]}.{scene['number']}"
        if before is None or tuple(before) == tuple(scene):
            return
        if (before["status"], before["error"]) != (scene["status"], scene["error"]):
            self.log(f"ledger: {name} {scene['status']} {scene['error'] or ''}".rstrip())
        if before["chosen_attempt_id"] and not scene["chosen_attempt_id"]:
            self.violated(f"{name}: its clip is lost")

    def _attempt(self, attempt: sqlite3.Row) -> None:
        before = self.attempts.get(attempt["id"])
        if before is None:
            number = sum(
                (a["job_id"], a["scene_number"]) == (attempt["job_id"], attempt["scene_number"])
                for a in self.attempts.values()
            )
            scene = f"{self.names[attempt['job_id']]}.{attempt['scene_number']}"
            self.names[attempt["id"]] = f"{scene}{chr(97 + number)}"
            self._may_begin(attempt)
        self.attempts[attempt["id"]] = attempt
        if before is not None and tuple(before) == tuple(attempt):
            return
        if before is None or before["state"] != attempt["state"]:
            generation = self.generation(attempt["generation_id"])
            self.log(f"ledger: {self.names[attempt['id']]} {attempt['state']} {generation}".rstrip())
        if before is not None and before["generation_id"] not in (None, attempt["generation_id"]):
            self.violated(f"{self.names[attempt['id']]}: its generation is another one now")
        if before is not None and before["clip"] and not attempt["clip"]:
            self.violated(f"{self.names[attempt['id']]}: its clip is lost")

    def _may_begin(self, attempt: sqlite3.Row) -> None:
        name, status = self.names[attempt["id"]], self.jobs[attempt["job_id"]]["status"]
        if status != JobStatus.PROCESSING:
            self.violated(f"{name}: begun while its job was {status}")
        for other in self._of_scene(attempt):
            if other["take"] != attempt["take"]:
                continue
            if other["state"] in (AttemptState.COMPLETED, AttemptState.SUBMITTED):
                self.violated(f"{name}: begun although {self.names[other['id']]} is {other['state']}")
            if other["state"] == AttemptState.UNKNOWN and other["run"] == attempt["run"]:
                self.violated(f"{name}: begun although {self.names[other['id']]} is unknown and nobody has decided")

    def _of_scene(self, attempt: sqlite3.Row) -> list[sqlite3.Row]:
        key = attempt["job_id"], attempt["scene_number"]
        return [a for a in self.attempts.values() if (a["job_id"], a["scene_number"]) == key]

    def generation(self, generation_id: str | None) -> str:
        """What the story calls a generation."""
        found = self.sandbox.generations.get(generation_id or "")
        return f"G{found.number}" if found else ""

    # Peeking, so that nobody asks in vain

    def untold(self) -> bool:
        """Whether something waits in the outbox."""
        return self.raw.execute("SELECT 1 FROM outbox LIMIT 1").fetchone() is not None

    def alive(self) -> bool:
        """Whether some job has not ended."""
        return any(job["status"] in LIVE for job in self.jobs.values())

    def ended_in(self, flow_run_id: UUID) -> bool:
        """Whether a job has ended and this was its last run."""
        run = flow_run_id.hex
        return any(job["flow_run_id"] == run and job["status"] in TERMINAL for job in self.jobs.values())

    def revision(self, job_id: str) -> int:
        """The job's present revision."""
        return int(self.jobs[job_id]["revision"])

    # What Luma sees

    def sending(self, body: dict[str, Any]) -> None:
        """A create is about to leave."""
        url = body.get("callback_url")
        mine = [a for a in self.attempts.values() if url and a["callback_url"] == url]
        for attempt in mine:
            status = self.jobs[attempt["job_id"]]["status"]
            if attempt["state"] not in (AttemptState.INTENDED,):
                self.log(f"note: {self.names[attempt['id']]} is posted although {attempt['state']}")
            if status == JobStatus.CANCELLED:
                self.violated(f"{self.names[attempt['id']]}: posted although its job is {status}")

    def asking(self, generation_id: str) -> None:
        """Somebody wants to know how a generation is getting on."""
        if all(attempt["generation_id"] != generation_id for attempt in self.attempts.values()):
            self.violated(f"{self.generation(generation_id)} is asked about before its id is safe")

    def charged(self, number: int, body: dict[str, Any]) -> None:
        """A generation was begun and charged."""
        url = body.get("callback_url")
        owner = next((self.names[a["id"]] for a in self.attempts.values() if url and a["callback_url"] == url), "?")
        self.log(f"luma: G{number} begun for {owner}")

    # What people see

    def answered(self, body: dict[str, Any], seen: dict[str, tuple[int, int, int]]) -> None:
        """A poll was answered; `seen`: what this person saw before, per job (revision, run, progress)."""
        job_id = body["jobId"].replace("-", "")
        name = self.names[job_id]
        kept = self.bodies.get((job_id, body["revision"]))
        fixed = ("status", "progress", "run", "results", "error", "cost", "counts", "outcome", "endedAt")
        if kept is None or any(json.loads(kept)[part] != body[part] for part in fixed):
            self.violated(f"{name}: an answer that the ledger never had, revision {body['revision']}")
        revision, run, progress = seen.get(job_id, (0, 0, 0))
        if body["revision"] < revision or (body["run"] == run and body["progress"] < progress):
            self.violated(f"{name}: a later answer is older")
        seen[job_id] = body["revision"], body["run"], body["progress"]

    # The end

    def final(self, *, healed: bool) -> None:
        """All parts have run again for long enough."""
        for job in self.jobs.values():
            if job["status"] in LIVE:
                self.violated(f"{self.names[job['id']]}: still {job['status']} at the end")
            refused = "moderation" in (job["error"] or "")  # decided before the weather was calm
            if healed and job["status"] in ("failed", "cancelled") and not refused:
                self.violated(f"{self.names[job['id']]}: {job['status']} after a retry in calm weather: {job['error']}")
        self._reconcile()

    def _reconcile(self) -> None:
        claimed = {a["generation_id"] for a in self.attempts.values() if a["generation_id"]}
        for generation_id in claimed - set(self.sandbox.generations):
            self.violated(f"a generation that Luma never began: {generation_id}")
        orphans = [g for g in self.sandbox.generations.values() if g.id not in claimed]
        unsure = [
            a
            for a in self.attempts.values()
            if a["state"] in ("unknown", "doubted", "intended") and self.jobs[a["job_id"]]["status"] in TERMINAL
        ]
        for orphan in orphans:
            match = next((a for a in unsure if self._begun_by(a, orphan)), None)
            if match is None:
                self.violated(f"G{orphan.number} was paid and no attempt says so")
            else:
                unsure.remove(match)
        tokens = Counter(g.order.callback_url for g in self.sandbox.generations.values() if g.order.callback_url)
        for url, times in tokens.items():
            if times > 1:
                self.violated(f"one token was paid {times} times: {url[-6:]}")
        for attempt in self.attempts.values():
            if attempt["generation_id"] is None and attempt["state"] in _PAID:
                self.violated(f"{self.names[attempt['id']]}: {attempt['state']} without a generation")
        self._kept()

    @staticmethod
    def _begun_by(attempt: sqlite3.Row, generation: Any) -> bool:
        if attempt["callback_url"]:
            return bool(generation.order.callback_url == attempt["callback_url"])
        return bool(generation.order.prompt == json.loads(attempt["request"])["prompt"])

    def _kept(self) -> None:
        """One take is not paid twice when it has a clip that was paid."""
        paid: dict[tuple[str, int, int], list[str]] = defaultdict(list)
        for attempt in self.attempts.values():
            if attempt["state"] in ("completed", "submitted"):
                paid[attempt["job_id"], attempt["scene_number"], attempt["take"]].append(self.names[attempt["id"]])
        for names in paid.values():
            if len(names) > 1:
                self.violated(f"one take was paid and kept more than once: {', '.join(names)}")
