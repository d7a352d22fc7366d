"""How several processes share one account's limit: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Claim:
    """What one process has in use of a limit, and what waits there for more."""

    id: UUID
    held: int
    waiting: int = 0
    jobs: int = 0
    """Of which the waiting are: its weight."""

    @property
    def needs(self) -> int:
        """All that it could use now."""
        return self.held + self.waiting


def part(limit: int, mine: Claim, others: Sequence[Claim], turn: int = 0) -> int:
    """How much of the limit `mine` may have in use: all of it as long as there is enough for everybody."""
    claims = [mine, *others]
    if sum(claim.needs for claim in claims) <= limit:
        return limit
    return divide(limit, claims, turn)[mine.id]


def divide(limit: int, claims: Sequence[Claim], turn: int = 0) -> dict[UUID, int]:
    """A part for each, max-min fair by the number of waiting jobs: nobody gets more than it needs, nothing is left.

    What can't be divided evenly goes round with `turn`, so that every process comes to it, however small the limit.
    """
    parts = {claim.id: claim.held for claim in claims if not claim.waiting}
    hungry = sorted((claim for claim in claims if claim.waiting), key=lambda claim: claim.id)
    left = max(0, limit - sum(parts.values()))
    while modest := [one for one in hungry if one.needs * _weight(hungry) <= left * max(1, one.jobs)]:
        parts |= {one.id: one.needs for one in modest}
        left -= sum(one.needs for one in modest)
        hungry = [one for one in hungry if one not in modest]
    return parts | _whole_parts(left, hungry, turn)


def _weight(claims: Sequence[Claim]) -> int:
    return sum(max(1, claim.jobs) for claim in claims)


def _whole_parts(left: int, hungry: Sequence[Claim], turn: int) -> dict[UUID, int]:
    if not hungry:
        return {}
    parts = {one.id: left * max(1, one.jobs) // _weight(hungry) for one in hungry}
    rest, first = left - sum(parts.values()), turn % len(hungry)
    for one in [*hungry[first:], *hungry[:first]][:rest]:
        parts[one.id] += 1
    return parts


def spare(sizes: Mapping[Key, int], number: int) -> list[Key]:
    """The leases to give back for at most so many slots, the largest first."""
    chosen = []
    for key, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if size <= number:
            chosen.append(key)
            number -= size
    return chosen
