"""Finding out whether a doubted create began a generation, before anything is paid again.

With a secret callback address the question is exact: Luma's list echoes it. Without one the generation is known by its
request and time, among those the ledger doesn't know. Several such are as good as one another: the same words, options
and price, each begun for an attempt whose answer was lost. So any of them may be adopted, provided that the ledger lets
each be claimed once; the one nearest in time to the intent is taken, which keeps attempts made minutes apart from
taking each other's. One that may belong to a create still on its way, whose id the ledger is about to learn, is left
alone until that create must have ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import random
from typing import Final

from tasks.clock import now as present
from tasks.luma.backoff import Backoff
from tasks.luma.client import LumaClient
from tasks.luma.errors import Undecidable
from tasks.luma.wire import Generation, GenerationRequest

Known = Callable[[Iterable[str]], Awaitable[set[str]]]


LOOK_BACKOFF: Final = Backoff(base=1, factor=2, maximum=15, jitter=0.3)


@dataclass(frozen=True, slots=True)
class LookupPatience:
    """How long and how far around the intent to look; seconds."""

    backoff: Backoff = LOOK_BACKOFF
    """Between looks."""
    appears_within: float = 90
    """After the intent, a generation that isn't listed by then was never begun."""
    posted_within: float = 120
    """After the intent, one created later isn't its."""
    settles_within: float = 90
    """After a generation is created, its id is in the ledger by then unless its answer was lost too."""
    clock_skew: float = 300
    """Between Luma's clock and ours, either way."""
    clocks_apart: float = 60
    """Between the clocks of our own machines: another one may have written the intent down."""


PATIENCE: Final = LookupPatience()


@dataclass(slots=True)
class Sought:
    """What is looked for, and when generations that may be it were first seen (loop time)."""

    token_url: str | None
    request: GenerationRequest
    intended_at: datetime
    patience: LookupPatience = PATIENCE
    first_seen: dict[str, float] = field(default_factory=dict)

    @property
    def since(self) -> datetime:
        """By Luma's clock, whatever that is, it was not begun before this."""
        return self.intended_at - timedelta(seconds=self.patience.clock_skew)

    @property
    def until(self) -> datetime:
        """Nor after this."""
        return self.intended_at + timedelta(seconds=self.patience.posted_within + self.patience.clock_skew)

    def on_its_way(self, now: datetime) -> bool:
        """Whether its create may still be under way, or its id about to be written down."""
        latest = self.patience.appears_within + self.patience.clocks_apart
        return (now - self.intended_at).total_seconds() < latest

    def is_it(self, row: Generation) -> bool:
        """Surely (token), or by all that can be known (request and time)."""
        if self.token_url is not None:
            return row.callback_url == self.token_url
        timely = row.created_at is not None and self.since <= row.created_at <= self.until
        return timely and row.callback_url is None and self.request.echoed_by(row.request)

    def may_be_it(self, row: Generation) -> bool:
        """Luma tells too little of this row to rule it out."""
        if row.callback_url is not None or (row.created_at is not None and row.created_at > self.until):
            return False
        return not row.request or self.request.echoed_by(row.request)

    def settled(self, row: Generation, now: datetime) -> bool:
        """No create that is still on its way can have begun it."""
        if self.token_url is not None:
            return True
        clock = asyncio.get_running_loop().time()
        seen = clock - self.first_seen.setdefault(row.id, clock)
        age = (now - row.created_at).total_seconds() if row.created_at else 0.0
        return max(seen, age - self.patience.clock_skew) >= self.patience.settles_within

    def distance(self, row: Generation) -> tuple[float, str]:
        """From the intent, in seconds; the id breaks ties."""
        return abs(((row.created_at or self.intended_at) - self.intended_at).total_seconds()), row.id


async def look_for(
    client: LumaClient,
    *,
    token_url: str | None,
    request_body: Mapping[str, object],
    intended_at: datetime,
    known: Known,
    patience: LookupPatience = PATIENCE,
    now: Callable[[], datetime] = present,
    rng: Callable[[], float] = random,
) -> Generation | None:
    """The generation that a doubted create began; None: surely none was begun.

    `token_url`: the callback address it was sent with; `intended_at`: when it was written down, by the clock of `now`;
    `known`: which of some ids the ledger has already. Looks until the generation must have appeared. Raises Undecidable
    when Luma can't tell, and whatever reading its list raises: then nothing is known yet.
    """
    if not client.can_list:
        raise Undecidable("Luma can't tell whether this scene was begun; trying it again may cost twice.")
    look = sought(token_url, request_body, intended_at, patience)
    loop = asyncio.get_running_loop()
    age = (now() - intended_at).total_seconds() - patience.clocks_apart
    end, attempt = loop.time() + patience.appears_within - max(0.0, age), 0
    while True:
        begun = loop.time()
        found, doubtful = await _scan(client, look, known)
        settled = [row for row in found if look.settled(row, now())]
        if settled:
            return min(settled, key=look.distance)
        if begun >= end and not found:
            break
        await asyncio.sleep(patience.backoff.delay(attempt, rng()))
        attempt += 1
    if doubtful:
        raise Undecidable("Luma's list doesn't tell whether this scene was begun; trying it again may cost twice.")
    return None


async def _scan(client: LumaClient, look: Sought, known: Known) -> tuple[list[Generation], list[Generation]]:
    """One walk over the list: rows that are it, rows that can't be ruled out; unknown ones only, but for a token."""
    found: list[Generation] = []
    doubtful: list[Generation] = []
    async for row in client.generations(look.since):
        if look.is_it(row):
            found.append(row)
        elif look.may_be_it(row):
            doubtful.append(row)
    ours = await known([row.id for row in (*found, *doubtful)])
    claimed = set() if look.token_url else ours  # a token proves more than what anybody made of its generation
    return [row for row in found if row.id not in claimed], [row for row in doubtful if row.id not in ours]


def sought(
    token_url: str | None,
    request_body: Mapping[str, object],
    intended_at: datetime,
    patience: LookupPatience = PATIENCE,
) -> Sought:
    """What an attempt's generation looks like in the list. Raises Undecidable for a request that can't be read."""
    try:
        return Sought(token_url, GenerationRequest.from_body(request_body), intended_at, patience)
    except ValueError as error:
        raise Undecidable(f"This scene's request can't be looked up: {error}.") from error
