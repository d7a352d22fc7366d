"""Back-off: clamped, then jittered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.luma import Backoff


@pytest.mark.parametrize(
    ("attempt", "random", "seconds"),
    [
        (0, 0.0, 1.0),
        (1, 0.0, 2.0),
        (3, 0.0, 8.0),
        (4, 0.0, 10.0),  # clamped
        (10_000, 0.0, 10.0),
        (0, 0.5, 0.75),
        (3, 0.5, 6.0),
        (4, 0.5, 7.5),  # jittered after the clamp
        (10_000, 0.999, 5.005),
    ],
)
def test_delays(attempt: int, random: float, seconds: float) -> None:
    assert Backoff(base=1, factor=2, maximum=10, jitter=0.5).delay(attempt, random) == pytest.approx(seconds)


backoffs = st.builds(
    lambda base, factor, more, jitter: Backoff(base, factor, base + more, jitter),
    st.floats(0, 1e3),
    st.floats(1, 1e3),
    st.floats(0, 1e6),
    st.floats(0, 1),
)


@settings(deadline=None)
@given(backoffs, st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_delay_lies_between_its_jittered_and_its_clamped_value(backoff: Backoff, attempt: int, random: float) -> None:
    delay = backoff.delay(attempt, random)
    assert 0 <= delay <= backoff.maximum
    assert delay >= backoff.base * (1 - backoff.jitter) * 0.999
    assert backoff.delay(attempt, 0.0) <= backoff.delay(attempt + 1, 0.0)


@pytest.mark.parametrize(
    "numbers", [(-1, 2, 5, 0), (1, 0.5, 5, 0), (6, 2, 5, 0), (1, 2, 5, 1.5), (1, 2, float("nan"), 0)]
)
def test_senseless_numbers_are_refused(numbers: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="not a back-off"):
        Backoff(*numbers)
