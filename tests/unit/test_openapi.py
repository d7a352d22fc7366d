"""The API's description tells a developer all of it: words for every part, examples that fit, every problem's code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from api import problems, schemas
from api.app import create_app
from api.descriptions import DESCRIPTIONS
from api.examples import EXAMPLES
from api.problems import CODES
from tasks.settings import Settings

API = Path(problems.__file__).parent


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return create_app(Settings(_env_file=None)).openapi()  # type: ignore[call-arg]


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def models_of(operation: dict[str, Any]) -> set[str]:
    """The models that an operation takes or answers."""
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    return set(re.findall(r"#/components/schemas/(\w+)", str([body.get("content") for body in bodies])))


def test_every_operation_and_parameter_says_what_it_does(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        assert operation["description"], name
        assert operation["tags"], name
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (name, parameter["name"])


def test_every_model_and_field_says_what_it_is(described: dict[str, Any]) -> None:
    for name, model in described["components"]["schemas"].items():
        assert model.get("description"), name
        for field, schema in model.get("properties", {}).items():
            assert schema.get("description"), (name, field)


def test_no_description_is_left_over(described: dict[str, Any]) -> None:
    fields = {field for model in described["components"]["schemas"].values() for field in model.get("properties", {})}
    assert set(DESCRIPTIONS) <= fields


def test_every_body_has_an_example(described: dict[str, Any]) -> None:
    told_by_itself = {"Capabilities"}  # its live answer is a click away, and ages in an example
    for name, operation in operations(described):
        for model in models_of(operation) - told_by_itself:
            assert described["components"]["schemas"][model].get("examples"), (name, model)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_the_service_takes_and_answers(name: str) -> None:
    model: type[BaseModel] = getattr(schemas, name, None) or getattr(problems, name)
    told = model.model_validate(EXAMPLES[name]).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert set(told) == set(EXAMPLES[name])


def test_every_operation_has_problems_for_its_errors(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for status in ("4XX", "5XX"):
            assert list(operation["responses"][status]["content"]) == ["application/problem+json"], name


def test_every_code_that_is_answered_is_described(described: dict[str, Any]) -> None:
    sources = " ".join(path.read_text() for path in API.rglob("*.py"))
    answered = set(re.findall(r"Problem\([^()]*?\d{3}, \"(\w+)\"", sources)) | set(
        re.findall(r"\d{3}: \(\"(\w+)\"", sources)
    )
    code = described["components"]["schemas"]["ProblemView"]["properties"]["code"]
    assert len(answered) > 10
    assert answered <= set(code["enum"]) == set(CODES)
    assert all(f"`{word}`" in code["description"] for word in CODES)
