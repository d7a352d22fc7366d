"""What is kept of a body: anything JSON can say, except what a database or JSON can't give back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.keepable import MAX_DEPTH, fault_of, text_fault

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_all_that_json_can_say_in_text_is_kept(value: object) -> None:
    assert fault_of(value) is None
    assert json.loads(json.dumps(value).encode()) == value


@given(values, st.sampled_from(["\0", "\ud800", "\udfff", float("inf"), float("-inf"), float("nan")]))
def test_one_bad_leaf_anywhere_is_found(value: object, bad: object) -> None:
    for wrapped in (bad, [value, bad], {"a": [{"b": bad}], "c": value}, [[[[bad]]]]):
        fault = fault_of(wrapped)
        assert fault is not None
        assert fault.endswith(".")
        fault.encode()  # the sentence itself can be answered


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 100_000])
def test_depth_has_a_bound(depth: int) -> None:
    value: object = 1
    for _ in range(depth):
        value = [value]
    assert (fault_of(value) is None) == (depth <= MAX_DEPTH)


def test_names_of_fields_are_text_too() -> None:
    assert fault_of({"a\0": 1}) == "The name of a field holds a NUL character, which is not text."
    assert (fault_of({"a\ud800": "\0"}) or "").encode()
    assert fault_of({"title": {"x": "\0"}}) == "“title” holds a NUL character, which is not text."
    assert text_fault("\U0001f600 whole characters beyond the first plane") is None
