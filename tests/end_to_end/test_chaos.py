"""A short run of `python -m tests.chaos`: parts killed with -9 at random, nothing lost and nothing paid twice."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos import SLOW, chaos


@pytest.mark.timeout(400)
def test_parts_killed_at_random_lose_nothing_and_pay_nothing_twice(tmp_path: Path) -> None:
    [one] = chaos(tmp_path, Console(), rounds=1, jobs=4, kills=4, seed=7)
    assert one.kills >= 4
    assert one.charges >= 9
    assert one.recovery < 3 * SLOW
