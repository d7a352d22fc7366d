"""A PostgreSQL server as Debian ships it, with a database for the ledger and one for Prefect."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.running import free_port
from tests.machine import postgresql_programs

START_SECONDS = 30


@dataclass(frozen=True)
class Cluster:
    """A running server; everybody on this machine is let in."""

    port: int

    @property
    def ledger(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/ledger"

    @property
    def prefect(self) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/prefect"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A fresh one; its programs refuse to be root, so it then runs as the user of Debian's package."""
    programs = postgresql_programs()
    assert programs, "no PostgreSQL with its extensions is on this machine: make machine"
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="storyreel-postgres-"))
    if user:
        shutil.chown(folder, user)
    made = Cluster(free_port())
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N"],
        user=user,
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
    )
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder), "max_connections": "200"}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("w") as said:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(made.port), *words],
            user=user,
            cwd="/",
            stdout=said,
            stderr=said,
        )
    try:
        for database in ("ledger", "prefect"):
            _create(programs, made.port, database)
        yield made
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for clients
        server.wait(30)
        shutil.rmtree(folder)


def _create(programs: Path, port: int, database: str) -> None:
    command = [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", database]
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(command, check=False, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, "PostgreSQL does not answer"
        time.sleep(0.1)
