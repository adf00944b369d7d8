"""Bring automix's own database to the newest schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from automix.errors import StorageError

__all__ = ["VERSION_TABLE", "newest_schema", "upgrade"]

VERSION_TABLE = "automix_alembic_version"
"""A name of our own: Optuna and MLflow keep theirs in ``alembic_version``, and all three may share a database."""


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that ``connection``'s database lacks, in the transaction of the caller.

    Raises:
        StorageError: the database was written by a newer automix.
    """
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise StorageError(
            f"Expected a database of schema {newest_schema()} or older in {connection.engine.url.database!r}, but: "
            f"{error}. It was written by a newer automix: update automix, or choose another folder with --work."
        ) from error


def newest_schema() -> str:
    """Return the newest schema that this automix knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
