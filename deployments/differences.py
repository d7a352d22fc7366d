"""What the ledger and Luma's list don't both know: a comparison of two lists, pure; and how it is shown."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from rich.table import Table
from rich.text import Text

from api.records import Paid
from tasks.ledger import Attempt, AttemptState
from tasks.luma import Generation, GenerationState, Prices, Sought, Undecidable, sought
from tasks.options import AspectRatio, Duration, Model, Resolution, VideoOptions


class KnownTo(StrEnum):
    """Who knows a generation that the other doesn't."""

    LUMA = "luma"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Difference:
    """A generation that only one of the two knows."""

    known_to: KnownTo
    generation_id: str
    begun_at: datetime | None
    cost_micros: int | None
    """None: nobody can tell."""
    refunded: bool
    prompt: str
    attempt: Attempt | None = None
    """Whose it is; for one that only Luma knows: whose it must be."""
    adopted: AttemptState | None = None
    """The attempt's state since it was given this generation."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        attempt = self.attempt
        return {
            "knownTo": self.known_to,
            "generationId": self.generation_id,
            "begunAt": self.begun_at.isoformat() if self.begun_at else None,
            "costUsd": None if self.cost_micros is None else self.cost_micros / 1e6,
            "refunded": self.refunded,
            "prompt": self.prompt,
            "jobId": str(attempt.job_id) if attempt else None,
            "sceneNumber": attempt.scene_number if attempt else None,
            "attemptId": str(attempt.id) if attempt else None,
            "attemptState": (self.adopted or attempt.state) if attempt else None,
            "adopted": self.adopted is not None,
        }


def only_at_luma(
    rows: Iterable[Generation], known: Collection[str], unsettled: Sequence[Attempt], prices: Prices, at: datetime
) -> list[Difference]:
    """Generations that are in no attempt, each with the unsettled attempt whose it must be; that one is given once.

    One whose create may still be on its way, at this moment, is no difference yet: its id is about to be written down.
    """
    strangers = {row.id: row for row in rows if row.id not in known}
    looks = {attempt.id: look for attempt in unsettled if (look := _sought(attempt))}
    waiting = {number for number, look in looks.items() if look.on_its_way(at)}
    young = {row.id for row in strangers.values() if any(looks[number].is_it(row) for number in waiting)}
    owners = _owners([row for row in strangers.values() if row.id not in young], unsettled, looks)
    return [_of_luma(row, owners.get(row.id), prices) for row in strangers.values() if row.id not in young]


def _sought(attempt: Attempt) -> Sought | None:
    with suppress(Undecidable):
        return sought(attempt.callback_url, attempt.request, attempt.intended_at)
    return None


def _owners(
    rows: Sequence[Generation], unsettled: Sequence[Attempt], looks: Mapping[UUID, Sought]
) -> dict[str, Attempt]:
    """Generation → attempt by the lookup's own rules; where several fit, the nearest in time go together."""
    fits = [
        (looks[attempt.id].distance(row), row.id, attempt)
        for row in rows
        for attempt in unsettled
        if attempt.id in looks and looks[attempt.id].is_it(row)
    ]
    owners: dict[str, Attempt] = {}
    given: set[UUID] = set()
    for _, row_id, attempt in sorted(fits, key=lambda fit: fit[:2]):
        if row_id not in owners and attempt.id not in given:
            owners[row_id] = attempt
            given.add(attempt.id)
    return owners


def _of_luma(row: Generation, owner: Attempt | None, prices: Prices) -> Difference:
    refunded = row.state is GenerationState.FAILED
    cost = owner.cost_micros if owner else _price(row, prices)
    prompt = row.request.get("prompt")
    words = prompt if isinstance(prompt, str) else ""
    return Difference(KnownTo.LUMA, row.id, row.created_at, cost, refunded, words, owner)


def _price(row: Generation, prices: Prices) -> int | None:
    asked = row.request
    with suppress(ValueError, KeyError):
        options = VideoOptions(
            model=Model(row.model or ""),
            aspect_ratio=AspectRatio(asked["aspect_ratio"]),
            resolution=Resolution(asked["resolution"]),
            duration=Duration(asked["duration"]),
        )
        return prices.price_micros(options)
    return None


def only_in_ledger(paid: Paid) -> Difference:
    """An attempt's generation that Luma doesn't know."""
    attempt = paid.attempt
    prompt = str(attempt.request.get("prompt", ""))
    begun = attempt.submitted_at or attempt.intended_at
    generation_id = attempt.generation_id or ""
    return Difference(KnownTo.LEDGER, generation_id, begun, attempt.cost_micros, paid.refunded, prompt, attempt)


def table(found: Sequence[Difference]) -> Table:
    """Every difference, a row each."""
    shown = Table("Known only to", "Generation", "Begun", "Cost", "Job and scene", "Attempt", "Words")
    for one in found:
        attempt = one.attempt
        shown.add_row(
            "Luma" if one.known_to is KnownTo.LUMA else "the ledger",
            one.generation_id,
            f"{one.begun_at:%Y-%m-%d %H:%M:%S}" if one.begun_at else "unknown",
            cost(one),
            f"{attempt.job_id}, scene {attempt.scene_number}" if attempt else "nobody's that we know",
            f"{one.adopted}, adopted" if one.adopted else str(attempt.state) if attempt else "",
            Text(one.prompt[:40]),
        )
    return shown


def cost(one: Difference) -> str:
    """What a generation cost, in words."""
    if one.cost_micros is None:
        return "unknown"
    return f"${one.cost_micros / 1e6:.2f}" + (", refunded" if one.refunded else "")


def summary(compared: int, found: Sequence[Difference]) -> str:
    """One sentence about the whole."""
    open_ones = [one for one in found if one.adopted is None]
    done = len(found) - len(open_ones)
    adopted = f" {done} adopted; a retry of their jobs goes on from there." if done else ""
    if not open_ones:
        return f"Ledger and Luma agree on {compared} generations.{adopted}"
    spent = sum(one.cost_micros or 0 for one in open_ones if not one.refunded) / 1e6
    return f"{len(open_ones)} of {compared} generations are known to one side only; they cost ${spent:.2f}.{adopted}"
