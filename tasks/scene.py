"""One scene: resume or submit, wait, fetch. The order of the ledger's writes keeps a scene from being paid twice."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from uuid import UUID

from tasks import beginnings, metrics
from tasks.clock import now
from tasks.doorbells import Doorbells
from tasks.film import inspect_clip, make_still
from tasks.ledger import Attempt, AttemptState, Clip, GenerationClaimed, SceneLedger, SceneState, Superseded
from tasks.logs import bound
from tasks.luma import (
    Account,
    AccountError,
    AssetBroken,
    AssetExpired,
    Backoff,
    DeadlinePassed,
    Generation,
    GenerationFailed,
    GenerationNotFound,
    GenerationRequest,
    LumaClient,
    LumaError,
    RateLimited,
    SubmissionDoubted,
    SubmissionLost,
    Unavailable,
    Undecidable,
)
from tasks.luma.durations import Kind
from tasks.luma.gate import Gate, Slot
from tasks.luma.lookup import look_for
from tasks.luma.polling import wait_for
from tasks.luma.polls import Polls
from tasks.media import MediaError, MediaStore, clip_key, still_key
from tasks.options import VideoOptions

log = logging.getLogger("storyreel.scene")

T = TypeVar("T")

FETCHES: Final = 4
FETCH_BACKOFF: Final = Backoff(base=0.5, factor=3, maximum=10, jitter=0.3)
RETRIES: Final = 6
"""Further tries of a whole scene after the first, at most; most errors allow fewer."""
RETRY_BACKOFF: Final = Backoff(base=2, factor=2, maximum=60, jitter=0.3)
"""Seconds before such a try."""
CONTESTED: Final = 10
"""How often a scene is begun anew because another process has moved it on meanwhile."""
LAST_WORD: Final = 5.0
"""Seconds that a cancelled create may still take for its answer."""


@dataclass(frozen=True, slots=True)
class SceneTools:
    """What a scene is made with."""

    ledger: SceneLedger
    luma: LumaClient
    gate: Gate
    account: Account
    polls: Polls
    media: MediaStore
    doorbells: Doorbells
    intake: asyncio.Semaphore
    """Where finished clips are taken in, a few at a time, by all jobs of the process."""
    callback_base: str | None
    deadline_seconds: float


def again(error: BaseException, tries: int) -> bool:
    """Whether a scene that failed so, after so many tries, is worth another: pure."""
    if isinstance(error, GenerationFailed):
        return tries <= min(error.retries, RETRIES)
    if isinstance(error, LumaError | MediaError):
        return error.retry and tries <= RETRIES
    return False


async def make_clip(tools: SceneTools, job_id: UUID, number: int, options: VideoOptions) -> Clip:
    """The scene's clip: what is there is kept, what was begun is resumed, and only what is missing is paid for.

    Raises a `LumaError`, `MediaError` or `JobCancelled`. Called again after any of them, or after a crash at any point,
    it goes on from what the ledger knows.
    """
    for _ in range(CONTESTED):
        with (
            contextlib.suppress(Superseded),
            bound(job=job_id, scene=number),
        ):  # another process has gone further: go on from what it wrote
            return await _go_on(tools, job_id, number, options)
    raise Superseded


async def _go_on(tools: SceneTools, job_id: UUID, number: int, options: VideoOptions) -> Clip:
    scene = await tools.ledger.scene(job_id, number)
    if scene.done and scene.clip and scene.kept:
        return await _kept(tools, scene.clip, scene.kept)
    if scene.given_up:  # before this run was begun again, or in an earlier one: nobody asked for another try
        raise LumaError(scene.error or "This scene could not be made.", code=scene.error_code)
    begun = scene.attempt
    if begun and begun.state is not AttemptState.SUBMITTED:
        begun = await _settle(tools, begun)
    beginnings.begun()
    async with tools.gate.slot(job_id, creates=begun is None) as slot:
        attempt = begun or await _submit(tools, slot, job_id, scene, options)
        generation = await _wait(tools, attempt, resumed=begun is not None)
    return await _fetch(tools, attempt, generation)


async def _kept(tools: SceneTools, clip: Clip, attempt: Attempt) -> Clip:
    """A clip that is paid for; when its file is gone or damaged, Luma is asked for it again."""
    if await tools.media.verify(clip.video, full=True) or attempt.generation_id is None:
        return clip
    return await _fetch(tools, attempt, await _get(tools, attempt.generation_id))


async def _get(tools: SceneTools, generation_id: str) -> Generation:
    return await _answered(tools, lambda: tools.luma.get(generation_id))


async def _answered(tools: SceneTools, ask: Callable[[], Awaitable[T]]) -> T:
    """Luma's answer to a question; where another job has found out that the account is refused, wait and ask again."""
    while True:
        under = tools.account.hold
        try:
            return await ask()
        except AccountError as error:
            if await tools.account.refused(error, None, under):
                raise
            await tools.account.works()


async def _submit(tools: SceneTools, slot: Slot, job_id: UUID, scene: SceneState, options: VideoOptions) -> Attempt:
    """Intent, POST, id: in this order, each committed before the next."""
    request = GenerationRequest.of(scene.prompt, options)
    while True:
        attempt = await tools.ledger.intend(job_id, scene.number, request.body(), tools.callback_base)
        under = tools.account.hold
        try:
            attempt = await _to_its_end(_post(tools, attempt, request))
            await tools.account.taken()
            return attempt
        except RateLimited as error:  # nothing begun, nobody's fault: wait for our turn and write a new intent
            await slot.refused(error.retry_after)
        except AccountError as error:
            if await tools.account.refused(error, attempt.cost_micros, under):
                raise
            await slot.barred()  # another job has found it out: this one waits
        except SubmissionDoubted:
            return await _settle(tools, attempt)
        finally:
            slot.answered()


async def _post(tools: SceneTools, attempt: Attempt, request: GenerationRequest) -> Attempt:
    """Send it, and write down what came of it."""
    try:
        generation = await tools.luma.submit(request, attempt.callback_url)
        metrics.SUBMISSIONS.labels("taken").inc()
        await tools.ledger.submitted(attempt, generation.id)
    except SubmissionDoubted as error:
        metrics.SUBMISSIONS.labels("doubted").inc()
        await tools.ledger.doubted(attempt, str(error))
        raise
    except LumaError as error:
        metrics.SUBMISSIONS.labels("refused").inc()
        metrics.REFUSALS.labels(error.code).inc()
        log.warning("Luma refused the scene", extra={"attempt": attempt.id, "code": error.code})
        await tools.ledger.refused(attempt, str(error))
        raise
    except GenerationClaimed as error:  # by another attempt with the same words, which took ours for its own
        why = "Luma's answer to this scene was taken for another's."
        await tools.ledger.doubted(attempt, why)
        raise SubmissionDoubted(why) from error
    return _with(attempt, generation)


async def _to_its_end(posting: Coroutine[Any, Any, Attempt]) -> Attempt:
    """A cancellation waits a little for the answer: what is on its way is paid, and then the ledger knows its id."""
    task = asyncio.create_task(posting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=LAST_WORD)
        raise
    finally:
        if not task.done():
            task.cancel()
        elif not task.cancelled():
            task.exception()  # looked at, so that asyncio does not warn of it


async def _settle(tools: SceneTools, attempt: Attempt) -> Attempt:
    """Find out what became of a POST without an answer, before anything is paid again."""
    for _ in range(CONTESTED):
        try:
            found = await _answered(tools, lambda: _look_for(tools, attempt))
        except Undecidable as error:
            await tools.ledger.unknown(attempt, str(error))
            raise
        if found is None:
            await tools.ledger.lost(attempt)
            raise SubmissionLost("Luma's answer was lost and nothing was begun there; trying again.")
        with contextlib.suppress(GenerationClaimed):  # by another attempt with the same words: look for the next
            await tools.ledger.submitted(attempt, found.id)
            log.warning("a lost answer's generation was found and adopted", extra={"attempt": attempt.id})
            return _with(attempt, found)
    raise Unavailable("Luma's list holds this scene for another one; trying again.")


async def _look_for(tools: SceneTools, attempt: Attempt) -> Generation | None:
    return await look_for(
        tools.luma,
        token_url=attempt.callback_url,
        request_body=attempt.request,
        intended_at=attempt.intended_at,
        known=tools.ledger.known_generations,
    )


async def _wait(tools: SceneTools, attempt: Attempt, *, resumed: bool) -> Generation:
    """The generation once it has ended; `resumed`: its callbacks may have come when nobody listened."""

    async def ask() -> Generation:
        generation_id, age = _submitted(attempt)
        called = doorbell is not None and not resumed
        schedule = tools.polls.durations.schedule(Kind.of(attempt.request), called=called)
        left = tools.deadline_seconds - age
        return await wait_for(tools.polls, generation_id, schedule, deadline_seconds=left, age=age, doorbell=doorbell)

    try:
        async with _bell(tools, attempt) as doorbell:
            return await _answered(tools, ask)
    except GenerationFailed as error:
        metrics.REFUSALS.labels(error.code).inc()
        await tools.ledger.failed(attempt, str(error), refunded=error.refunded)
        raise
    except (DeadlinePassed, GenerationNotFound, AssetBroken) as error:
        await tools.ledger.failed(attempt, str(error), refunded=False)
        raise


@contextlib.asynccontextmanager
async def _bell(tools: SceneTools, attempt: Attempt) -> AsyncIterator[asyncio.Event | None]:
    if attempt.callback_url is None:
        yield None
    else:
        async with tools.doorbells.bell(attempt.token) as bell:
            yield bell


async def _fetch(tools: SceneTools, attempt: Attempt, generation: Generation) -> Clip:
    """Luma's clip → ours, written down; its address is short-lived, so each new try asks Luma for a fresh one."""
    for tries in range(FETCHES):
        try:
            async with tools.intake:
                clip = await _download(tools, attempt, generation)
                await tools.ledger.completed(attempt, clip)
                return clip
        except (AssetExpired, AssetBroken, Unavailable):
            if tries == FETCHES - 1:
                raise
        await asyncio.sleep(FETCH_BACKOFF.delay(tries, 0.5))
        generation = await _get(tools, generation.id)
    raise AssertionError  # the last try returns or raises


async def _download(tools: SceneTools, attempt: Attempt, generation: Generation) -> Clip:
    if generation.video_url is None:
        raise AssetBroken("Luma says that this scene is finished but has no video for it.")
    key = clip_key(attempt.job_id, attempt.scene_number, attempt.id)
    async with contextlib.aclosing(tools.luma.download(generation.video_url)) as chunks:
        video = await tools.media.write(key, chunks)
    try:
        info = await inspect_clip(tools.media, video)
    except MediaError as error:
        raise AssetBroken("What Luma sent for this scene is not a video that plays.") from error
    still = await make_still(tools.media, key, still_key(attempt.job_id, attempt.scene_number, attempt.id))
    return Clip(video, info.duration_seconds, info.width, info.height, still)


def _submitted(attempt: Attempt) -> tuple[str, float]:
    """The generation's id and its age in seconds."""
    if attempt.generation_id is None or attempt.submitted_at is None:
        raise ValueError("an attempt that waits has an id")
    return attempt.generation_id, max(0.0, (now() - attempt.submitted_at).total_seconds())


def _with(attempt: Attempt, generation: Generation) -> Attempt:
    """The attempt as the ledger has it now."""
    return replace(attempt, state=AttemptState.SUBMITTED, generation_id=generation.id, submitted_at=now())
