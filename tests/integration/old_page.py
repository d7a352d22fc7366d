"""The earlier system's page, run unchanged under Node against a running API."""

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parent / "old_frontend" / "run.mjs"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node is not on this machine, and the old page is JavaScript")


@dataclass(frozen=True)
class Visit:
    """What the page did, in order, and what it left in the session."""

    story: list[list[Any]]
    stored: dict[str, Any]

    def told(self, what: str) -> list[Any]:
        return [values[0] for kind, *values in self.story if kind == what]

    @property
    def asked(self) -> list[list[str]]:
        return [values for kind, *values in self.story if kind == "fetch"]


async def visit(base: str, script: str, *, seconds: float = 60, **given: Any) -> Visit:
    """Press “Generate” and wait until the page rests."""
    assert NODE is not None
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(PAGE),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    asked = json.dumps({"base": base, "script": script, **given}).encode()
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(asked)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    seen = json.loads(out)
    stored = {name: json.loads(value) if name == "videoData" else value for name, value in seen["stored"].items()}
    return Visit(seen["story"], stored)
