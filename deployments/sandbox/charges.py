"""What the sandbox takes and gives back: prices, and a ledger of every charge and refund."""

import heapq
from collections import defaultdict
from dataclasses import dataclass
from math import inf
from typing import Final

from deployments.sandbox.clock import rfc3339

MICROS_PER_CENT: Final = 10_000

DREAM_MACHINE_RATES: Final = {"ray-2": 0.0064, "ray-flash-2": 0.0022}
"""Micro-dollars per pixel and frame."""

AGENTS_CENTS: Final = {
    ("540p", 5): 15, ("720p", 5): 30, ("1080p", 5): 120,
    ("540p", 10): 45, ("720p", 10): 90, ("1080p", 10): 360,
    ("360p", 5): 7, ("360p", 10): 21,  # the draft tier's price isn't published: 540p's, by pixels
}  # fmt: skip
"""US cents by resolution and seconds (SDR, July 2026)."""


def dream_machine_micros(model: str, width: int, height: int, seconds: int) -> int:
    """Price of one generation in micro-dollars: pixels × 24 frames × seconds × the model's rate."""
    return round(width * height * 24 * seconds * DREAM_MACHINE_RATES[model])


def agents_micros(resolution: str, seconds: int) -> int:
    """Price of one generation in micro-dollars."""
    return AGENTS_CENTS[resolution, seconds] * MICROS_PER_CENT


@dataclass(frozen=True, slots=True)
class Charge:
    """One generation's cost; `refund_at` is when its failure gives the money back, infinite for never."""

    generation_id: str
    wire: str
    key: str
    """Fingerprint of the account's key, never the key."""
    prompt: str
    callback_url: str | None
    cost_micros: int
    charged_at: float
    refund_at: float = inf

    def as_json(self, now: float) -> dict[str, object]:
        """The ledger's row as the admin API shows it."""
        return {
            "generation_id": self.generation_id,
            "wire": self.wire,
            "key": self.key,
            "prompt": self.prompt,
            "callback_url": self.callback_url,
            "cost_micros": self.cost_micros,
            "cost_usd": self.cost_micros / 1_000_000,
            "charged_at": rfc3339(self.charged_at),
            "refunded_at": rfc3339(self.refund_at) if self.refund_at <= now else None,
        }


class Charges:
    """Every charge in order, and each account's spending; an account is (wire, fingerprint)."""

    def __init__(self) -> None:
        self.rows: list[Charge] = []
        self._spent: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._refunds: list[tuple[float, int, Charge]] = []

    def add(self, charge: Charge) -> None:
        """Take the money now, and give it back when the charge says so."""
        self.rows.append(charge)
        self._spent[charge.wire, charge.key] += charge.cost_micros
        if charge.refund_at < inf:
            heapq.heappush(self._refunds, (charge.refund_at, len(self.rows), charge))

    def spent(self, account: tuple[str, str], now: float) -> int:
        """Micro-dollars an account has paid and not got back."""
        while self._refunds and self._refunds[0][0] <= now:
            _, _, charge = heapq.heappop(self._refunds)
            self._spent[charge.wire, charge.key] -= charge.cost_micros
        return self._spent[account]

    def as_json(self, now: float) -> dict[str, object]:
        """All rows, oldest first, and their sums in micro-dollars."""
        charged = sum(row.cost_micros for row in self.rows)
        refunded = sum(row.cost_micros for row in self.rows if row.refund_at <= now)
        totals = {"charged_micros": charged, "refunded_micros": refunded, "net_micros": charged - refunded}
        return {"charges": [row.as_json(now) for row in self.rows], "totals": totals}
