"""States as tables: who may leave which, what they look like from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.states import (
    ATTEMPT_MOVES,
    LIVE,
    MOVES,
    SPENT,
    TERMINAL,
    JobStatus,
    Move,
    Outcome,
    SceneStatus,
    allowed,
    counts,
    may_have_cost,
    outcome,
    progress,
    step,
)
from tasks.ledger import OPEN_ATTEMPTS, AttemptState

Q, P, X = JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.CANCELLING
C, F, N = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED
W, G, D, E = SceneStatus.PENDING, SceneStatus.GENERATING, SceneStatus.COMPLETED, SceneStatus.FAILED

MAY = {
    Move.BEGIN: ({Q, P}, P),
    Move.CANCEL: ({Q, P, X}, X),
    Move.COMPLETE: ({P}, C),
    Move.FAIL: ({Q, P}, F),
    Move.CANCELLED: ({Q, P, X}, N),
    Move.REQUEUE: ({Q, P}, Q),
    Move.RESTART: ({C, F, N}, Q),
}


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("move", Move)
def test_every_move_from_every_status(move: Move, status: JobStatus) -> None:
    assert allowed(move, status) == (status in MAY[move][0])
    assert MOVES[move][1] == MAY[move][1]


def test_only_a_person_s_wish_leaves_a_terminal_status() -> None:
    assert {move for move in Move if MOVES[move][0] & TERMINAL} == {Move.RESTART}
    assert set(JobStatus) == TERMINAL | LIVE
    assert not TERMINAL & LIVE


def test_every_live_status_has_a_way_to_an_end() -> None:
    for status in LIVE:
        ends = {MOVES[move][1] for move in Move if allowed(move, status)} & TERMINAL
        assert ends, status


def test_an_attempt_with_an_id_never_goes_back_to_one_without() -> None:
    for after, before in ATTEMPT_MOVES.items():
        if after not in SPENT:
            assert not before & SPENT, after


def test_what_has_a_clip_is_left_by_nothing() -> None:
    assert not any(AttemptState.COMPLETED in before for before in ATTEMPT_MOVES.values())


def test_an_attempt_is_spent_or_unsure_or_free() -> None:
    free = {AttemptState.INTENDED, AttemptState.REFUSED, AttemptState.LOST}
    for state in AttemptState:
        assert (state in SPENT) + may_have_cost(state, P) + (state in free) == 1
    assert may_have_cost(AttemptState.INTENDED, N)  # nobody is working on it any more: its POST may have gone out
    assert {AttemptState.INTENDED, AttemptState.DOUBTED} == OPEN_ATTEMPTS - SPENT


@pytest.mark.parametrize(
    ("status", "scenes", "percent", "says"),
    [
        (Q, [], 0, "Waiting to start..."),
        (P, [], 1, "Creating storyboard..."),
        (P, [W, W], 5, "Generating scene 1/2..."),
        (P, [G, W], 15, "Generating scene 1/2..."),
        (P, [D, G], 58, "Generating scene 2/2..."),
        (P, [D, E, W], 61, "Generating scene 3/3..."),
        (P, [D, D], 90, "Assembling film..."),
        (P, [E, E], 90, "Assembling film..."),
        (Q, [D, W], 47, "Waiting to start..."),
        (X, [D, W], 47, "Cancelling..."),
        (N, [D, W], 47, "Cancelled"),
        (F, [E, E], 90, "Failed"),
        (C, [D, E], 100, "Film ready"),
    ],
)
def test_progress_and_step(status: JobStatus, scenes: list[SceneStatus], percent: int, says: str) -> None:
    assert progress(status, scenes) == percent
    assert step(status, scenes) == says


@pytest.mark.parametrize(
    ("status", "scenes", "well"),
    [
        (Q, [], None),
        (P, [D], None),
        (X, [D], None),
        (C, [D, D], Outcome.FULL),
        (C, [D, E], Outcome.PARTIAL),
        (F, [E], Outcome.NONE),
        (F, [D], Outcome.NONE),
        (N, [], Outcome.NONE),
    ],
)
def test_outcome(status: JobStatus, scenes: list[SceneStatus], well: Outcome | None) -> None:
    assert outcome(status, scenes) is well


scenes_of = st.lists(st.sampled_from(SceneStatus), max_size=40)


@given(st.sampled_from(JobStatus), scenes_of)
def test_progress_is_a_percentage_and_only_a_film_is_all_of_it(status: JobStatus, scenes: list[SceneStatus]) -> None:
    assert 0 <= progress(status, scenes) <= 100
    assert (progress(status, scenes) == 100) == (status is C)


@given(scenes_of.filter(bool), st.data())
def test_a_scene_that_goes_on_takes_progress_along(scenes: list[SceneStatus], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(scenes) - 1))
    further = {W: [G, D, E], G: [D, E], D: [D], E: [E]}[scenes[at]]
    after = [*scenes[:at], data.draw(st.sampled_from(further)), *scenes[at + 1 :]]
    assert progress(P, after) >= progress(P, scenes)


@given(scenes_of)
def test_counts_add_up(scenes: list[SceneStatus]) -> None:
    assert sum(counts(scenes).values()) == len(scenes)
    assert set(counts(scenes)) == set(SceneStatus)
