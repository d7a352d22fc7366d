"""The API's description: problems as they really leave, and examples that the tests hold to the models."""

from typing import Any, Final

from fastapi import FastAPI

from api.descriptions import DESCRIPTIONS
from api.examples import EXAMPLES
from api.problems import CODES, ProblemView

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"description": "A problem with the request: `code` says which.", "model": ProblemView},
    "5XX": {"description": "A problem on our side: trying again may help.", "model": ProblemView},
}


def install(app: FastAPI) -> None:
    """Let the app describe itself so."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _finish(described())
        return described()

    app.openapi = openapi  # type: ignore[method-assign]


def _finish(schema: dict[str, Any]) -> None:
    for path in schema["paths"].values():
        for operation in path.values():
            for status in PROBLEMS:
                if str(status) in operation["responses"]:
                    _as_problem(operation["responses"][status])
    models = schema["components"]["schemas"]
    models["ProblemView"]["properties"]["code"]["enum"] = list(CODES)
    for field in (field for model in models.values() for field in model.get("properties", {}).items()):
        _describe(*field)
    for name, example in EXAMPLES.items():
        models[name]["examples"] = [example]


def _as_problem(response: dict[str, Any]) -> None:
    response["content"] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemView"}}}


def _describe(name: str, field: dict[str, Any]) -> None:
    if name in DESCRIPTIONS:
        field.setdefault("description", DESCRIPTIONS[name])
