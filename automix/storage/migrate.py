"""Bring automix's own database to the newest schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from automix.errors import StorageError

__all__ = ["VERSION_TABLE", "upgrade"]

VERSION_TABLE = "automix_alembic_version"
"""A name of our own: Optuna and MLflow keep theirs in ``alembic_version``, and all three may share a database."""


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that ``connection``'s database lacks, in the transaction of the caller.

    Raises:
        StorageError: the database was written by a newer automix.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        newest = ScriptDirectory.from_config(config).get_current_head()
        raise StorageError(
            f"Expected a database of schema {newest} or older in {connection.engine.url.database!r}, but: {error}. "
            f"It was written by a newer automix: update automix, or choose another folder with --work."
        ) from error
