"""What a poll shows beyond the job's row."""

from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from api.outlook import NOTHING, Outlook, shown, waits_for_account
from api.records.bodies import Body
from api.states import JobStatus
from tasks.luma import Hold

TRICKY = (
    r'a "currentStep":"x","waitingFor":null, "counts":{"total":1,"pending":0,"generating":9, \ "queuePosition":null'
)


def body(status: JobStatus = JobStatus.PROCESSING, pending: int = 0, generating: int = 0) -> Body:
    job = {
        "currentStep": TRICKY,
        "waitingFor": None,
        "title": TRICKY,
        "counts": {"total": pending + generating, "pending": pending, "generating": generating, "completed": 0},
        "queuePosition": None,
        "etaSeconds": None,
    }
    return Body(orjson.dumps(job), 7, status)


def hold(needed: int | None) -> Hold:
    return Hold(UUID(int=1), "dream-machine", "luma_no_credits", "No “credits”\\1.", datetime.now(UTC), needed)


@pytest.mark.parametrize(
    ("job", "needed", "waits"),
    [
        (body(JobStatus.QUEUED), 1, True),
        (body(JobStatus.QUEUED), None, True),
        (body(pending=2), 1, True),
        (body(pending=2), None, True),
        (body(pending=2, generating=1), 1, False),
        (body(pending=2, generating=1), None, True),
        (body(generating=1), None, True),
        (body(), 1, False),  # being planned, or being joined
        (body(), None, False),
        (body(JobStatus.CANCELLING, pending=2), 1, False),
        (body(JobStatus.COMPLETED), 1, False),
    ],
)
def test_who_waits_for_a_refused_account(job: Body, needed: int | None, waits: bool) -> None:
    assert waits_for_account(job, hold(needed)) is waits
    assert not waits_for_account(job, None)


def test_nothing_to_add_leaves_body_and_revision() -> None:
    job = body()
    assert shown(job, NOTHING) == (job.body, '"7"')


def test_what_is_added_stands_in_its_field_and_nowhere_else() -> None:
    before = orjson.loads(body(JobStatus.QUEUED).body)
    text, _ = shown(body(JobStatus.QUEUED), Outlook(place=3, seconds=45, waiting_for=hold(1).reason))
    reason = "No “credits”\\1."
    assert orjson.loads(text) == before | {
        "currentStep": f"Waiting: {reason}",
        "waitingFor": reason,
        "queuePosition": 3,
        "etaSeconds": 45,
    }


def test_another_answer_has_another_tag() -> None:
    outlooks = [
        NOTHING,
        Outlook(1),
        Outlook(2),
        Outlook(1, 5),
        Outlook(1, 5, "No credits."),
        Outlook(None, None, "No credits."),
    ]
    assert len({shown(body(), outlook)[1] for outlook in outlooks}) == len(outlooks)
    assert shown(body(), Outlook(1))[1] == shown(body(), Outlook(1))[1]
