"""What a sandbox must remember to be the same one after a restart: a line per generation, and what became of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from deployments.sandbox.generations import Generation

_GENERATION: Final = TypeAdapter(Generation)


class Journal:
    """A file of JSON lines, written through at once: it survives `kill -9`, though not a power cut.

    Only what costs is kept: generations, deletions and the secret that ids and asset URLs are made with. Settings,
    faults, counts of calls and callbacks under way begin anew.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def read(self) -> Iterator[dict[str, object]]:
        """Its lines so far; one that was cut off by a kill is left out."""
        if not self._path.exists():
            return
        for line in self._path.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def secret(self, secret: bytes) -> None:
        """A new life begins: what was before is forgotten."""
        self._write({"secret": secret.hex()}, "w")

    def created(self, generation: Generation) -> None:
        """A generation was begun and charged."""
        self._write({"generation": _GENERATION.dump_python(generation)})

    def deleted(self, generation: Generation) -> None:
        """Its account has deleted it."""
        self._write({"deleted": generation.id})

    def _write(self, line: dict[str, object], mode: str = "a") -> None:
        with self._path.open(mode) as file:
            # The newline comes first, so that a line that was cut off spoils no other; and this is JSON as Python
            # writes it: a generation that never ends is Infinity.
            file.write("\n" + json.dumps(line))


def generation_of(line: dict[str, object]) -> Generation | None:
    """The generation that a line tells of."""
    return _GENERATION.validate_python(line["generation"]) if "generation" in line else None
