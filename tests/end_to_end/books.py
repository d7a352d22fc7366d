"""Our ledger against Luma's charges: what no test of this tier may end without."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlmodel import select

from api.database import Database
from api.models import AttemptRow
from api.states import SPENT
from tasks.ledger import AttemptState
from tasks.settings import Settings
from tests.end_to_end.running import Stack

FOREIGN = "A foreign film"
"""Prompt of the generations that tests begin at Luma themselves, past the ledger."""


@dataclass
class Books:
    """What Luma charged, and what the ledger says of it."""

    charges: int
    unowned: set[str] = field(default_factory=set)
    """Charged, and no attempt knows of it."""
    imagined: set[str] = field(default_factory=set)
    """In the ledger as submitted, and never charged."""
    again: list[tuple[Any, ...]] = field(default_factory=list)
    """(job, scene, take) for which more than one generation was begun though none of them failed at Luma."""
    unknown: int = 0
    """Attempts that wait for a person."""

    @property
    def twice(self) -> int:
        """Charges that should not have been."""
        return len(self.unowned) + len(self.again)

    def check(self) -> "Books":
        """Every charge is one attempt's and every submitted attempt is one charge."""
        assert not [*self.unowned, *self.imagined, *self.again], self
        return self


def books(stack: Stack) -> Books:
    """Compare the ledger of a stack with the sandbox's charges."""
    charged = httpx.get(f"{stack.sandbox}/_sandbox/charges", timeout=30).json()["charges"]
    return compare([one["generation_id"] for one in charged if one["prompt"] != FOREIGN], attempts(stack))


def attempts(stack: Stack) -> list[AttemptRow]:
    """Every attempt in the ledger."""
    return asyncio.run(_attempts(ledger_url(stack)))


def ledger_url(stack: Stack) -> str:
    """Where a stack keeps its ledger."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        data=stack.data,
        database_url=stack.env.get("STORYREEL_DATABASE_URL", ""),
    ).ledger_url


async def _attempts(url: str) -> list[AttemptRow]:
    database = Database(url)
    try:
        async with database.reading() as session:
            return list(await session.exec(select(AttemptRow)))
    finally:
        await database.close()


def compare(charged: list[str], rows: list[AttemptRow]) -> Books:
    """Charged generations against attempts."""
    spent = [row for row in rows if row.state in SPENT]
    known = {row.generation_id for row in rows if row.generation_id}
    assert len(charged) == len(set(charged)), "Luma charges a generation once"
    assert all(row.generation_id for row in spent), "what is spent has an id"
    wanted = [row for row in spent if row.state is not AttemptState.FAILED]
    begun = Counter((row.job_id, row.scene_number, row.take) for row in wanted)
    return Books(
        charges=len(charged),
        unowned=set(charged) - known,
        imagined=known - set(charged),
        again=[scene for scene, count in begun.items() for _ in range(count - 1)],
        unknown=sum(row.state is AttemptState.UNKNOWN for row in rows),
    )
