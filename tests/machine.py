"""See to what tests need of the machine: `python tests/machine.py chromium postgresql`; says so when it can't.

The machine's own, else Debian's packages where they can be installed, else (for the browser) Playwright's.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CLUSTERS = Path("/usr/lib/postgresql")
EXTENSIONS = Path("/usr/share/postgresql")


def chromium() -> bool:
    """A browser for the tests of the studio page."""
    return chromium_program() is not None or _debian("chromium") or _playwright()


def chromium_program() -> str | None:
    """The machine's own; without one Playwright looks for its own."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def postgresql() -> bool:
    """A PostgreSQL with the extensions that Prefect's server wants (the one in a wheel has none)."""
    return postgresql_programs() is not None or _debian("postgresql", "postgresql-contrib")


def postgresql_programs() -> Path | None:
    """Where the newest `initdb` and `postgres` are on which Prefect's server could live."""
    found = sorted(CLUSTERS.glob("*/bin"), key=lambda programs: int(programs.parent.name))
    whole = [one for one in found if (EXTENSIONS / one.parent.name / "extension/pg_trgm.control").exists()]
    return whole[-1] if whole else None


def _debian(*packages: str) -> bool:
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=False, env=env, stdout=subprocess.DEVNULL)
    install = ["apt-get", "install", "-qq", "-y", *packages]
    return subprocess.run(install, check=False, env=env, stdout=subprocess.DEVNULL).returncode == 0


def _playwright() -> bool:
    return subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False).returncode == 0


NEEDS: dict[str, tuple[Callable[[], bool], str]] = {
    "chromium": (chromium, "No Chromium could be found or installed; the tests of the studio page will say so."),
    "postgresql": (postgresql, "No whole PostgreSQL could be found or installed; the tests on it will say so."),
}


def main(names: list[str]) -> int:
    """0 when all is there, or when a person can read what is missing."""
    missing = [sentence for see_to, sentence in map(NEEDS.__getitem__, names) if not see_to()]
    for sentence in missing:
        print(sentence, file=sys.stderr)
    return 1 if missing and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
