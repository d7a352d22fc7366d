"""What the flow takes from Prefect's form and command: a schema people can read, and no script that can't be filmed."""

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from flows.generate_video import generate_video

SCRIPT = "A lighthouse keeper finds a letter in a bottle. She reads it by lamplight and rows out to answer it."
PROPERTIES: dict[str, Any] = generate_video.parameters.model_dump()["properties"]


@pytest.mark.parametrize("name", ["script", "options", "title", "storyboard", "job_id"])
def test_every_parameter_is_explained(name: str) -> None:
    assert PROPERTIES[name]["description"]


def test_only_the_script_is_needed() -> None:
    assert generate_video.parameters.required == ["script"]
    assert generate_video.validate_parameters({"script": SCRIPT})["script"] == SCRIPT
    assert (PROPERTIES["script"]["minLength"], PROPERTIES["script"]["maxLength"]) == (60, 20_000)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (" " * 100, "this one has 0"),
        (" " * 30 + "a" * 59 + "\n" * 30, "this one has 59"),
        (SCRIPT + "\0", "holds a NUL character"),
        (SCRIPT + "\ud83d", "lone surrogate|unicode"),
        ("word " * 4001, "at most 20,000 characters"),
    ],
)
def test_a_script_that_can_not_be_filmed_is_refused_before_anything_is_made(script: str, says: str) -> None:
    with pytest.raises(ParameterTypeError, match=says):
        generate_video.validate_parameters({"script": script})
