"""Whatever goes wrong in between: every scene is paid once and every job ends, under seeds that repeat."""

import pytest

from tests.simulation.simulate import simulate

SEEDS = 200
AT_ONCE = 20


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_all_rules_hold_whatever_happens(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        story = simulate(seed)
        assert not story.violations, f"python -m tests.simulation --seed {seed}\n{story.told()}"


def test_a_seed_repeats_to_the_last_event() -> None:
    first, again, other = simulate(7), simulate(7), simulate(8)
    assert first.events == again.events
    assert first.events != other.events
