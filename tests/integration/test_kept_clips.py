"""Clips that are paid for and whose files were lost: fetched again, and not paid again."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr

from api.bootstrap import Studio, studio
from deployments.sandbox.app import create_sandbox
from deployments.sandbox.config import SandboxConfig
from flows.film_job import Ending, Order, film_job
from tasks.ledger import JobState
from tasks.settings import Settings
from tests.integration.jobs_made import OPTIONS, SCRIPT, begun
from tests.simulation.engine import Silence, Verbs


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Studio]:
    app = create_sandbox(SandboxConfig(generation_seconds=0.1, jitter=0, clips="cached"))
    settings = Settings(
        data=tmp_path,
        luma_api_key=SecretStr("key"),
        luma_base_url="http://luma.test/dream-machine/v1",
        _env_file=None,  # type: ignore[call-arg]
    )
    async with studio(settings, luma_transport=httpx.ASGITransport(app)) as opened:
        yield opened
    await app.state.sandbox.aclose()


async def filmed(house: Studio, job_id: UUID, run: UUID) -> JobState:
    """The job after this run of it."""
    ended = await film_job(house, Order(job_id, run, SCRIPT, OPTIONS), Verbs(house), Silence())
    assert ended.ending is Ending.COMPLETED, ended
    return await house.records.job(job_id)


@pytest.mark.parametrize("how", ["gone", "cut short", "damaged"])
async def test_a_lost_file_is_fetched_again_and_not_paid_again(house: Studio, how: str) -> None:
    job_id, run = await begun(house.records, 2)
    first = (await filmed(house, job_id, run)).scenes[0]
    assert first.clip
    assert first.kept
    path = house.media.path(first.clip.video.key)
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if how == "cut short" else bytes(len(content)))
    await house.records.choose(job_id, 1, first.kept.id)  # its next run
    again = (await filmed(house, job_id, uuid4())).scenes[0]
    assert path.read_bytes() == content
    assert again.kept
    assert again.kept.generation_id == first.kept.generation_id
    assert again.attempts == 0
