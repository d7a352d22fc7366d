"""Alembic's environment: one transaction for all steps, under a lock, so that processes may start together."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

import api.models  # noqa: F401 - fills the metadata
from api.database import Database

_LOCK = 0x53746F7279  # any number, the same in every process


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    # within the transaction that holds the lock: a second process finds the work done
    context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
    context.run_migrations()


async def _main(url: str) -> None:
    database = Database(url)
    try:
        async with database.writing() as session:
            await (await session.connection()).run_sync(_migrate)
    finally:
        await database.close()


asyncio.run(_main(context.config.attributes["url"]))
