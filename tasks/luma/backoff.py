"""How long to wait between tries, as data."""

from dataclasses import dataclass

_MOST_STEPS = 64  # keeps factor ** attempt a finite float; every sane delay is at its maximum long before


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential growth: `base` × `factor` ** attempt, at most `maximum`, then up to the share `jitter` shorter."""

    base: float
    """Seconds before the first retry."""
    factor: float
    maximum: float
    """Seconds."""
    jitter: float
    """0 to 1: the share of the delay that chance may take away."""

    def __post_init__(self) -> None:
        if not (0 <= self.base <= self.maximum and 1 <= self.factor <= 1_000 and 0 <= self.jitter <= 1):
            raise ValueError(f"not a back-off: {self}")

    def delay(self, attempt: int, random: float) -> float:
        """Seconds to wait after the attempt (from 0); `random` in [0, 1).

        Clamped first and jittered then: at the maximum, too, clients don't all wait alike.
        """
        clamped = min(self.base * self.factor ** min(attempt, _MOST_STEPS), self.maximum)
        return clamped * (1 - self.jitter * random)
