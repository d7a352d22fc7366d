"""Places and times by table: what the gate will do, played forward."""

import time
from uuid import UUID

import pytest

from api.forecast import FILM_SECONDS, PRIOR, Limits, LiveLine, Typical, forecast, told
from api.states import JobStatus
from tasks.luma.durations import Kind, Took

RAY = Kind("ray-2", "720p", "9s")
FLASH = Kind("ray-flash-2", "720p", "9s")
TEN = Typical({RAY: 10.0, FLASH: 5.0})


def line(number: int, pending: int = 0, ages: tuple[float, ...] = (), **more: object) -> LiveLine:
    status = JobStatus.PROCESSING
    facts = {"status": status, "kind": RAY, "begun": bool(ages), **more}
    return LiveLine(UUID(int=number), pending=pending, ages=ages, **facts)  # type: ignore[arg-type]


def waits(number: int, pending: int = 2) -> LiveLine:
    return line(number, pending, status=JobStatus.QUEUED, planned=False)


@pytest.mark.parametrize(
    ("lines", "limits", "created", "places", "seconds"),
    [
        # everything runs at once
        ([line(1, 3)], Limits(10, 0), [], [None], [10]),
        # two rounds over two slots
        ([line(1, 4)], Limits(2, 0), [], [None], [20]),
        # in turns: the small job does not wait for the large one
        ([line(1, 6), line(2, 1)], Limits(2, 0), [], [None, None], [40, 10]),
        # no slot is free: those that have not begun stand in line, the oldest first
        ([line(1, 2, (4.0, 2.0)), line(2, 1), waits(3, 1)], Limits(2, 0), [], [None, 1, 2], [28, 18, 26]),
        # with slots free only those stand in line whose run has not begun
        ([line(1, 2), waits(2), waits(3)], Limits(10, 0), [], [None, 1, 2], [10, 10, 10]),
        # a generation that is late takes a little longer still
        ([line(1, 0, (10.0,))], Limits(2, 0), [], [None], [1]),
        ([line(1, 0, (100.0,))], Limits(2, 0), [], [None], [10]),
        # more is found running than allowed: the next one waits until there are fewer
        ([line(1, 1, (9.0, 8.0, 5.0))], Limits(2, 0), [], [None], [12]),
        # creates keep to the minute, also those that were made before
        ([line(1, 3)], Limits(10, 2), [], [None], [70]),
        ([line(1, 1)], Limits(10, 2), [50.0, 20.0], [1], [20]),
        ([line(1, 1)], Limits(10, 2), [70.0, 20.0], [None], [10]),
        # kinds take their own time
        ([line(1, 1, kind=FLASH), line(2, 1)], Limits(1, 0), [], [None, 1], [5, 15]),
        # all is made: only the film is left
        ([line(1, 0, begun=True)], Limits(2, 0), [], [None], [0]),
        # what is being cancelled takes no more slots
        ([line(1, 5, (1.0,), status=JobStatus.CANCELLING), line(2, 1)], Limits(2, 0), [], [None, None], [9, 10]),
    ],
)
def test_forecasts(
    lines: list[LiveLine], limits: Limits, created: list[float], places: list[int | None], seconds: list[float]
) -> None:
    told_all = forecast(lines, limits, TEN, created)
    found = [told_all[one.job_id] for one in lines]
    assert [one.place for one in found] == places
    assert [one.seconds - FILM_SECONDS for one in found] == pytest.approx(seconds)


def test_a_long_line_is_told_quickly_and_near_the_truth() -> None:
    lines = [waits(number, 5) for number in range(2000)]
    begun = time.process_time()
    found = forecast(lines, Limits(10, 0), TEN)
    assert time.process_time() - begun < 0.5
    assert [found[one.job_id].place for one in lines] == list(range(1, 2001))
    last = max(one.seconds for one in found.values())
    assert last == pytest.approx(2000 * 5 * 10 / 10, rel=0.1)


@pytest.mark.parametrize(
    ("past", "ray", "flash"),
    [
        ([], PRIOR, PRIOR),
        ([(RAY, 20.0)] * 2, PRIOR, PRIOR),
        ([(RAY, 20.0)] * 3, 20.0, 20.0),
        ([(RAY, 20.0), (RAY, 22.0), (RAY, 90.0)], 22.0, 22.0),
        ([(RAY, 20.0)] * 3 + [(FLASH, 8.0)] * 4, 20.0, 8.0),
        ([(RAY, 20.0)] * 3 + [(FLASH, 8.0)] * 2, 20.0, 20.0),
    ],
)
def test_what_is_learnt(past: list[tuple[Kind, float]], ray: float, flash: float) -> None:
    typical = Typical.of(Took(kind, seconds, 0.0) for kind, seconds in past)
    assert (typical.seconds(RAY), typical.seconds(FLASH)) == (ray, flash)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, 5), (0.1, 5), (5, 5), (5.1, 10), (59, 60), (61, 75), (599, 600), (600, 600), (601, 660), (4000, 4020)],
)
def test_what_is_told(seconds: float, said: int) -> None:
    assert told(seconds) == said
