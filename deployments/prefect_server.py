"""Prefect's own server as the stack runs it: on SQLite, writers take the write lock when they begin.

Prefect begins its transactions deferred: two that have read and then want to write can't both, and the second fails at
once with “database is locked”, which clients answer by waiting for seconds. With the lock taken first they wait for
each other, for milliseconds; and they hold it for the work alone (`api.sqlite`). On PostgreSQL nothing is changed.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prefect.server.api import server
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import MODELS_DEPENDENCIES
from prefect.server.utilities.database import get_dialect
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, AsyncSessionTransaction
from sqlalchemy.orm import Session

from api.sqlite import on_connect
from deployments.memory import keep_what_is_loaded
from deployments.prefect_rows import beside_statement, join_relations, joined_once


class ImmediateSqlite(AioSqliteConfiguration):
    """SQLite whose transactions never fail for having read before they wrote."""

    async def engine(self) -> AsyncEngine:
        """The engine of the present loop, with our connections."""
        engine = await super().engine()
        if not event.contains(engine.sync_engine, "do_connect", on_connect):
            event.listen(engine.sync_engine, "do_connect", on_connect)
        return engine

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin with the write lock, whatever is asked for."""
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def create_app() -> FastAPI:
    """Prefect's server and UI, for `uvicorn --factory`."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if get_dialect(url).name == "sqlite":
        MODELS_DEPENDENCIES["database_config"] = ImmediateSqlite(connection_url=url)
        event.listen(Session, "do_orm_execute", joined_once)
        event.listen(Session, "do_orm_execute", beside_statement)
        join_relations()
    app = server.create_app()
    keep_what_is_loaded()
    return app
