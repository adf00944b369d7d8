"""Optuna's storage with the settings of `automix.storage.sqlite`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from automix.errors import StorageError
from automix.storage.lock import exclusive
from automix.storage.sqlite import prepare_sqlite, sqlite_connect_args, sqlite_path, sqlite_url

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

__all__ = ["optuna_errors", "optuna_storage"]


@contextmanager
def optuna_errors() -> Iterator[None]:
    """Turn what Optuna's storage raises inside the block (or function, as a decorator) into a StorageError.

    The disk may be full, or somebody may hold the database for longer than we wait.
    """
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as err:
        reason = str(err.__cause__ or err).partition("\n")[0]
        raise StorageError(
            f"Optuna's database cannot be used: {reason}. The same command goes on once it can."
        ) from err


def optuna_storage(where: Path | str) -> RDBStorage:
    """Open, or create, the database that holds Optuna's studies.

    Args:
        where: a file (SQLite) or a SQLAlchemy URL ("postgresql+psycopg://...").

    Raises:
        StorageError: the database cannot be used, with the reason.
    """
    file = _file_of(where)
    if file is None:
        return _open(str(where), pool_pre_ping=True)  # a server may have closed an idle connection
    path = prepare_sqlite(file)
    # Optuna creates its tables unguarded: of several processes that open a new file at once all but one would fail.
    with exclusive(path.with_name(f"{path.name}.lock")):
        return _open(sqlite_url(path), connect_args=sqlite_connect_args())


def _file_of(where: Path | str) -> Path | None:
    return Path(where) if "://" not in str(where) else sqlite_path(str(where))


def _open(url: str, **engine_kwargs: object) -> RDBStorage:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return RDBStorage(url, engine_kwargs=dict(engine_kwargs))
    except (SQLAlchemyError, RuntimeError, ImportError) as error:
        # RuntimeError is Optuna's word for a schema of another version; ImportError names a missing driver.
        raise StorageError(f"Optuna's database {_without_password(url)} cannot be used: {error}") from error


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)
