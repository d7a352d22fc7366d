"""Short runs of `make chaos`: parts killed with -9 at random, nothing lost and nothing paid twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos import SLOW, chaos
from tests.end_to_end.postgres import on_postgres, postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield {}
        return
    with postgres(tmp_path / "postgres") as database:
        yield on_postgres(database, tmp_path)


@pytest.mark.timeout(400)
def test_parts_killed_at_random_lose_nothing_and_pay_nothing_twice(tmp_path: Path, ledger: dict[str, str]) -> None:
    [one] = chaos(tmp_path / "stack", Console(), rounds=1, jobs=4, kills=4, seed=7, **ledger)
    assert one.kills >= 4
    assert one.charges >= 9
    assert one.recovery < 3 * SLOW
