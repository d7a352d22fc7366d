import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.objects import State, StateType
from prefect.states import Running

from deployments.recovery import PENDING_SECONDS, is_gone, owner_of
from tasks.owner import Owner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ME = Owner("alpha", "house", "space1", 1, 1.0)
NAMES = st.text(st.characters(exclude_characters="/%", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)


@given(
    name=NAMES,
    host=st.from_regex(r"[a-z0-9.-]{1,40}", fullmatch=True),
    space=st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    pid=st.integers(1, 2**22),
    started=st.floats(0, 4e9).map(lambda value: round(value, 2)),
)
def test_an_owner_is_read_from_the_state_it_marked(name: str, host: str, space: str, pid: int, started: float) -> None:
    owner = Owner(name, host, space, pid, started)
    assert owner_of(Running(message=str(owner))) == owner


@pytest.mark.parametrize("message", [None, "", "The worker of this run fell silent.", "a at b (c/x/1.0)", "at (/1/1)"])
def test_other_messages_name_nobody(message: str | None) -> None:
    assert owner_of(Running(message=message)) is None


def test_this_process_is_alive_and_knows_itself_again() -> None:
    assert Owner.here("alpha").alive()
    assert Owner.here("alpha") == Owner.here("alpha")


def test_a_killed_process_is_dead_before_and_after_its_parent_noticed() -> None:
    here = Owner.here("alpha")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner(here.name, here.host, here.space, child.pid, psutil.Process(child.pid).create_time())
    assert owner.alive()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    assert not owner.alive()
    child.communicate()
    assert not owner.alive()


def test_a_process_that_got_the_number_of_a_dead_one_is_not_it() -> None:
    here = Owner.here("alpha")
    assert not Owner(here.name, here.host, here.space, here.pid, here.started - 60).alive()


OTHER = "space2"


@pytest.mark.parametrize(
    ("owner", "type_", "age", "alive", "gone"),
    [
        (None, StateType.RUNNING, 999, False, False),  # nobody's mark: not a run of ours
        (ME, StateType.RUNNING, 999, False, False),
        (Owner("beta", "house", "space1", 2, 2.0), StateType.RUNNING, 0, True, False),
        (Owner("beta", "house", "space1", 2, 2.0), StateType.RUNNING, 0, False, True),
        (Owner("alpha", "house", "space1", 2, 2.0), StateType.RUNNING, 0, True, False),  # a living namesake
        (Owner("alpha", "house", OTHER, 2, 2.0), StateType.RUNNING, 0, False, True),  # a restarted container
        (Owner("beta", "house", OTHER, 2, 2.0), StateType.RUNNING, 999, False, False),  # only heartbeats can tell
        (Owner("alpha", "yard", OTHER, 2, 2.0), StateType.RUNNING, 999, False, False),
        (Owner("beta", "yard", OTHER, 2, 2.0), StateType.PENDING, PENDING_SECONDS - 1, False, False),
        (Owner("beta", "yard", OTHER, 2, 2.0), StateType.PENDING, PENDING_SECONDS + 1, False, True),
    ],
)
def test_only_a_run_that_was_left_behind_is_gone(
    owner: Owner | None, type_: StateType, age: float, *, alive: bool, gone: bool
) -> None:
    state = State(type=type_, timestamp=NOW - timedelta(seconds=age))
    assert is_gone(owner, state, ME, NOW, owner_alive=alive) is gone
