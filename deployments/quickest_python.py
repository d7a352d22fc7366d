"""The quickest build of `python3` on this machine: `make setup` makes the environment of it.

Builds of the same version differ by half. One made without profile-guided optimization, as version managers do by
default, takes a quarter to a third more processor time for the same films than a distribution's. Needs nothing but
Python; stays with `python3` unless another build of the same version is clearly quicker, or an environment is active.
"""

import os
import shutil
import subprocess
import sys
import timeit
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import NamedTuple

CLEARLY = 0.85
"""Of `python3`'s time: only a build that takes less is worth a surprise."""
PATIENCE = 20.0
"""Seconds for a candidate's answer."""
ROUNDS = 3
"""How often each is asked, in turns: a machine may be twice as slow from one second to the next."""
ACTIVE = frozenset({"VIRTUAL_ENV", "CONDA_PREFIX"})
"""Set in an environment that somebody has chosen."""


class Build(NamedTuple):
    """One Python of the machine."""

    executable: str
    version: str
    seconds: float
    """For a fixed work."""


class _Node:
    def __init__(self, key: int) -> None:
        self.key = key
        self.next: _Node | None = None


def work() -> int:
    """What programs do most: calls, attributes, loops."""
    first = node = _Node(0)
    for key in range(1, 3000):
        node.next = _Node(key)
        node = node.next
    return sum(key for key in _keys(first) if key % 3)


def _keys(node: _Node | None) -> Iterator[int]:
    while node:
        yield node.key
        node = node.next


def tell() -> str:
    """This Python as a line; fails where no environments can be made with it."""
    for needed in ("ensurepip", "venv"):  # Debian has them in a package of their own
        import_module(needed)
    seconds = min(timeit.repeat(work, number=3, repeat=15))
    return f"{sys.executable}\t{sys.version_info[0]}.{sys.version_info[1]}\t{seconds}"


def asked(program: str) -> Build | None:
    """What a program tells of itself; None where it can't be used."""
    try:
        told = [program, __file__, "tell"]
        ran = subprocess.run(told, capture_output=True, text=True, timeout=PATIENCE, check=True)  # noqa: S603
        executable, version, seconds = ran.stdout.strip().split("\t")
        return Build(executable, version, float(seconds))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def programs(path: str) -> Iterator[str]:
    """Every `python3` in the folders of `path`, in their order, each once."""
    seen = set()
    for folder in path.split(os.pathsep):
        program = shutil.which("python3", path=folder)
        if program and os.path.realpath(program) not in seen:
            seen.add(os.path.realpath(program))
            yield program


def chosen(builds: list[Build]) -> str:
    """What to take instead of the first of them, which is `python3`: pure."""
    first = builds[0]
    usual = min(build.seconds for build in builds if build.executable == first.executable)
    best = min((build for build in builds if build.version == first.version), key=lambda build: build.seconds)
    return best.executable if best.seconds < CLEARLY * usual else first.executable


def quickest(environment: Mapping[str, str]) -> str:
    """The Python to make an environment of, as seen from this environment."""
    found = list(programs(environment.get("PATH", os.defpath)))
    if not found or ACTIVE & environment.keys() or asked(found[0]) is None:
        return "python3"
    return chosen([build for build in map(asked, ROUNDS * found) if build])


if __name__ == "__main__":
    sys.stdout.write((tell() if sys.argv[1:] == ["tell"] else quickest(os.environ)) + "\n")
