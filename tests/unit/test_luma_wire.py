"""Requests and generations on the wire: exact outwards, forgiving inwards."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.luma import Generation, GenerationRequest, GenerationState, StrangeAnswer
from tasks.luma.wire import parse_generation
from tasks.options import AspectRatio, Duration, Model, Resolution, VideoOptions

REQUEST = GenerationRequest("A red kite over the dunes.", "ray-2", "16:9", "720p", "9s", loop=False)

COMPLETED = {
    "id": "5d0a5c2e-0c58-4f4e-8b1e-d2a4c1f5e9aa",
    "generation_type": "video",
    "state": "completed",
    "failure_reason": None,
    "created_at": "2026-03-04T05:06:07.123456Z",
    "model": "ray-2",
    "assets": {"video": "https://cdn.test/a.mp4", "image": "https://cdn.test/a.jpg", "progress_video": None},
    "request": {"generation_type": "video", "callback_url": "https://us.test/cb", **REQUEST.body(), "keyframes": None},
    "something_new": {"deep": [1, 2]},
}

json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_options_become_the_body() -> None:
    options = VideoOptions(
        model=Model.RAY_FLASH_2,
        aspect_ratio=AspectRatio.TALL,
        resolution=Resolution.P1080,
        duration=Duration.FIVE,
        loop=True,
    )
    request = GenerationRequest.of("A prompt", options)
    assert request.body() == {
        "prompt": "A prompt",
        "model": "ray-flash-2",
        "aspect_ratio": "9:16",
        "resolution": "1080p",
        "duration": "5s",
        "loop": True,
    }
    assert all(type(value) in {str, bool} for value in request.body().values())  # no enum reaches JSON or the ledger
    assert GenerationRequest.from_body(request.body()) == request


@pytest.mark.parametrize(
    "change", [{"prompt": None}, {"model": 3}, {"duration": ["9s"]}, {"loop": "yes"}, {"aspect_ratio": None}]
)
def test_a_body_with_a_hole_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        GenerationRequest.from_body({**REQUEST.body(), **change})


def test_a_whole_generation_is_read() -> None:
    assert parse_generation(COMPLETED) == Generation(
        id="5d0a5c2e-0c58-4f4e-8b1e-d2a4c1f5e9aa",
        state=GenerationState.COMPLETED,
        created_at=datetime(2026, 3, 4, 5, 6, 7, 123456, UTC),
        video_url="https://cdn.test/a.mp4",
        image_url="https://cdn.test/a.jpg",
        failure_reason=None,
        request=COMPLETED["request"],  # type: ignore[arg-type]
        callback_url="https://us.test/cb",
        model="ray-2",
    )


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"state": "reviewing"}, "state", GenerationState.UNRECOGNISED),
        ({"state": None}, "state", GenerationState.UNRECOGNISED),
        ({"state": ["completed"]}, "state", GenerationState.UNRECOGNISED),
        ({"state": "processing"}, "state", GenerationState.DREAMING),
        ({"assets": None}, "video_url", None),
        ({"assets": "none"}, "video_url", None),
        ({"assets": {"video": ""}}, "video_url", None),
        ({"assets": {"video": "javascript:alert(1)"}}, "video_url", None),
        ({"assets": {"video": 7}}, "video_url", None),
        ({"created_at": "yesterday"}, "created_at", None),
        ({"created_at": 1_700_000_000}, "created_at", None),
        ({"created_at": "2026-01-01T00:00:00"}, "created_at", datetime(2026, 1, 1, tzinfo=UTC)),
        ({"created_at": "2026-01-01T02:00:00+02:00"}, "created_at", datetime(2026, 1, 1, tzinfo=UTC)),
        ({"created_at": "0001-01-01T00:00:00+23:59"}, "created_at", None),
        ({"request": None}, "request", {}),
        ({"request": None}, "callback_url", None),
        ({"failure_reason": {"text": "no"}}, "failure_reason", None),
        ({"model": None}, "model", "ray-2"),
    ],
)
def test_what_is_missing_or_strange_counts_as_not_told(change: dict[str, object], field: str, value: object) -> None:
    assert getattr(parse_generation({**COMPLETED, **change}), field) == value


@pytest.mark.parametrize("data", [None, [], "abc", 3, {}, {"id": None}, {"id": ""}, {"id": 7}, {"id": "../credits"}])
def test_no_usable_id_is_a_strange_answer(data: object) -> None:
    with pytest.raises(StrangeAnswer):
        parse_generation(data)


def test_the_id_asked_for_stands_in_for_a_missing_one_but_not_for_another() -> None:
    assert parse_generation({"state": "queued"}, asked="abc").id == "abc"
    with pytest.raises(StrangeAnswer):
        parse_generation({"id": "other"}, asked="abc")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the first draw of text is slow
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*COMPLETED, "extra"), json)),
    st.none() | st.just("asked-id"),
)
def test_any_json_is_a_generation_or_a_strange_answer(data: dict[str, Any], asked: str | None) -> None:
    try:
        generation = parse_generation(data, asked=asked)
    except StrangeAnswer:
        return
    assert generation.id
    assert isinstance(generation.state, GenerationState)


def test_only_completed_and_failed_have_ended() -> None:
    assert {state for state in GenerationState if state.ended} == {GenerationState.COMPLETED, GenerationState.FAILED}


@pytest.mark.parametrize(
    ("echo", "same"),
    [
        ({}, True),
        ({"prompt": "A red  kite\nover the dunes. "}, True),
        ({"loop": None, "resolution": None}, True),
        ({"generation_type": "video", "keyframes": None, "concepts": None}, True),
        ({"prompt": "A blue kite over the dunes."}, False),
        ({"prompt": None}, False),
        ({"duration": "5s"}, False),
        ({"loop": True}, False),
        ({"model": "ray-flash-2"}, False),
        ({"keyframes": {"frame0": {"type": "generation", "id": "x"}}}, False),
        ({"concepts": [{"key": "orbit_left"}]}, False),
    ],
)
def test_an_echo_is_ours_when_nothing_in_it_says_otherwise(echo: dict[str, object], same: bool) -> None:
    assert REQUEST.echoed_by({**REQUEST.body(), **echo}) is same


def test_unicode_forms_of_one_prompt_are_the_same() -> None:
    assert GenerationRequest("caf\u00e9", "ray-2", "1:1", "540p", "5s", loop=False).echoed_by({"prompt": "cafe\u0301"})
