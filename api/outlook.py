"""What a live job shows beyond its row, because it changes with other jobs and with the account: pure."""

import re
from dataclasses import astuple, dataclass
from typing import Final
from zlib import crc32

import orjson

from api.records.bodies import Body
from api.states import JobStatus
from tasks.luma import Hold

_COUNTS: Final = re.compile(rb'"counts":\{"total":\d+,"pending":(\d+),"generating":(\d+),')
_STEP: Final = re.compile(rb'"currentStep":"(?:[^"\\]|\\.)*","waitingFor":null')


@dataclass(frozen=True, slots=True)
class Outlook:
    """A job's place among those that wait, the seconds left, and what all wait for, as a sentence."""

    place: int | None = None
    seconds: int | None = None
    waiting_for: str | None = None


NOTHING: Final = Outlook()


def waits_for_account(body: Body, hold: Hold | None) -> bool:
    """Whether a hold keeps this job from going on: one that still generates goes on, unless Luma refuses questions."""
    if hold is None or body.status is not JobStatus.PROCESSING:
        return hold is not None and body.status is JobStatus.QUEUED
    counts = _COUNTS.search(body.body)
    pending, generating = map(int, counts.groups()) if counts else (0, 0)
    return hold.needed_micros is None if generating else pending > 0


def shown(body: Body, outlook: Outlook) -> tuple[bytes, str]:
    """The body with its outlook, and the ETag of both."""
    if outlook == NOTHING:
        return body.body, f'"{body.revision}"'
    text = body.body
    if outlook.waiting_for:
        reason, step = orjson.dumps(outlook.waiting_for), orjson.dumps(f"Waiting: {outlook.waiting_for}")
        text = _STEP.sub(lambda _: b'"currentStep":%b,"waitingFor":%b' % (step, reason), text, count=1)
    if outlook.place:
        text = text.replace(b'"queuePosition":null', b'"queuePosition":%d' % outlook.place, 1)
    if outlook.seconds:
        text = text.replace(b'"etaSeconds":null', b'"etaSeconds":%d' % outlook.seconds, 1)
    return text, f'"{body.revision}-{crc32(repr(astuple(outlook)).encode()):08x}"'
