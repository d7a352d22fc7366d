"""The minute's creates, against Luma's own way of counting."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.luma.window import SKEW, UNANSWERED, WINDOW, Place, SlidingWindow


def test_no_limit_is_always_free() -> None:
    window = SlidingWindow(None)
    for _ in range(1000):
        assert window.free_at(5.0) == 5.0
        window.take(5.0)


def test_the_next_place_opens_when_the_oldest_leaves() -> None:
    window = SlidingWindow(2)
    window.take(0.0)
    window.take(10.0)
    assert window.used(10.0) == 2
    assert window.free_at(10.0) == WINDOW + UNANSWERED
    assert window.free_at(WINDOW + UNANSWERED) == WINDOW + UNANSWERED
    assert window.used(WINDOW + UNANSWERED) == 1


def test_an_answer_makes_the_count_exact() -> None:
    window = SlidingWindow(1)
    place = window.take(0.0)
    window.answered(place, 0.2)
    assert window.free_at(1.0) == 0.2 + WINDOW + SKEW
    window.answered(place, 30.0)  # a slow one: Luma may have counted it only now
    assert window.free_at(31.0) == 30.0 + WINDOW + SKEW


def test_a_place_given_back_is_free_at_once() -> None:
    window = SlidingWindow(1)
    window.give_back(window.take(0.0))
    assert window.free_at(0.0) == 0.0


@settings(deadline=None)
@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.floats(0, 40), st.floats(0, 20), st.floats(0, 1)), min_size=1, max_size=40),
)
def test_luma_never_sees_more_than_its_limit_in_any_minute(
    limit: int, creates: list[tuple[float, float, float]]
) -> None:
    """Each create: idle time before it, seconds until its answer, and where in between Luma counts it."""
    window, now = SlidingWindow(limit), 0.0
    pending: list[tuple[float, Place]] = []
    counted: list[float] = []
    for idle, latency, share in creates:
        now += idle
        while pending and (pending[0][0] <= now or window.free_at(now) > now):  # answers come in while time passes
            answer, place = pending.pop(0)
            window.answered(place, answer)
            now = max(now, min(answer, window.free_at(now)))
        now = max(now, window.free_at(now))
        pending.append((now + latency, window.take(now)))
        pending.sort(key=lambda one: one[0])
        counted.append(now + latency * share)
    for first in counted:
        assert sum(first <= moment < first + WINDOW for moment in counted) <= limit
