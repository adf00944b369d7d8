"""The memory over studies: one small class with explicit methods around the tables of `models`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from automix.errors import StorageError
from automix.storage.lock import exclusive
from automix.storage.migrate import upgrade
from automix.storage.models import Base, DataSetRecord, ImportRecord, PolicyRecord, ResultRecord, StudyRecord
from automix.storage.sqlite import prepare_sqlite, sqlite_connect_args, sqlite_url

__all__ = ["Store"]


class Store:
    """Data sets, studies, policies and results in ``path``, which is created or migrated when opened.

    Writing the same thing again replaces the row, so a resumed study may tell everything once more. Records that are
    read are plain copies: changing one changes nothing in the database. Several processes may use one file.

    Raises:
        StorageError: from every method, when the database cannot be used or a row refers to nothing known.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store(Path(folder.name) / "automix.db")
        >>> store.remember_data("3f9c", name="digits", meta_features={"num_classes": 10})
        >>> store.remember_study("first", data_hash="3f9c", config={"trials": 30})
        >>> [study.name for study in store.studies()]
        ['first']
        >>> store.close(); folder.cleanup()
    """

    def __init__(self, path: Path | str) -> None:
        self.path = prepare_sqlite(path)
        self._engine = _engine(self.path)
        with exclusive(self.path.with_name(f"{self.path.name}.lock")), self._transaction() as connection:
            upgrade(connection)

    def close(self) -> None:
        """Give the file back; the store cannot be used afterwards."""
        self._engine.dispose()

    def remember_data(self, content_hash: str, *, name: str, meta_features: Mapping[str, Any]) -> None:
        """Keep a data set under the hash of its content; ``meta_features`` must be plain JSON values."""
        row = {"content_hash": content_hash, "name": name, "meta_features": dict(meta_features)}
        with self._transaction() as connection:
            _upsert(connection, DataSetRecord, row)

    def remember_study(
        self, name: str, *, data_hash: str, config: Mapping[str, Any], verdict: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a study; its data set must be known. Without ``verdict`` one that it already has stays."""
        row = {"name": name, "data_hash": data_hash, "config": dict(config), "verdict": dict(verdict or {})}
        with self._transaction() as connection:
            _upsert(connection, StudyRecord, row, keep=() if verdict else ("verdict",))

    def remember_verdict(self, study: str, verdict: Mapping[str, Any]) -> None:
        """Keep what was found out about a study's winner; a study that is not known stays unknown.

        Args:
            study: its name.
            verdict: plain JSON values; `automix.zoo` reads "kind" and "policy_key" of it.
        """
        statement = update(StudyRecord).where(StudyRecord.name == study)
        with self._transaction() as connection:
            connection.execute(statement.values(verdict=dict(verdict), updated_at=time.time()))

    def remember_result(
        self,
        study: str,
        slot: int,
        *,
        policy_key: str,
        policy_title: str,
        policy: Mapping[str, Any],
        status: str,
        epochs: int,
        metrics: Mapping[str, float],
    ) -> None:
        """Keep a slot's result together with its policy document; the study must be known."""
        document = {"key": policy_key, "title": policy_title, "document": dict(policy)}
        identity = {"study": study, "slot": slot, "policy_key": policy_key}
        with self._transaction() as connection:
            _upsert(connection, PolicyRecord, document)
            _upsert(
                connection, ResultRecord, {**identity, "status": status, "epochs": epochs, "metrics": dict(metrics)}
            )

    def remember_import(
        self,
        entry_hash: str,
        *,
        data_hash: str,
        data_name: str,
        meta_features: Mapping[str, Any],
        entry: Mapping[str, Any],
        source: str,
    ) -> bool:
        """Keep what somebody else found, together with its data set; what is known already stays as it is.

        Returns:
            Whether the entry is new.
        """
        data = {"content_hash": data_hash, "name": data_name, "meta_features": dict(meta_features)}
        row = {"entry_hash": entry_hash, "data_hash": data_hash, "entry": dict(entry), "source": source}
        with self._transaction() as connection:
            _add(connection, DataSetRecord, data)
            return _add(connection, ImportRecord, row)

    def data_sets(self) -> list[DataSetRecord]:
        """Return every data set known, by name."""
        with self._session() as session:
            return list(session.scalars(select(DataSetRecord).order_by(DataSetRecord.name)))

    def studies(self, data_hash: str | None = None) -> list[StudyRecord]:
        """Return the studies, newest first; with ``data_hash`` those on that data set."""
        query = select(StudyRecord).order_by(StudyRecord.updated_at.desc())
        if data_hash is not None:
            query = query.where(StudyRecord.data_hash == data_hash)
        with self._session() as session:
            return list(session.scalars(query))

    def results(self, study: str) -> list[ResultRecord]:
        """Return a study's results by slot; none for a study that is not known."""
        query = select(ResultRecord).where(ResultRecord.study == study).order_by(ResultRecord.slot)
        with self._session() as session:
            return list(session.scalars(query))

    def policy(self, key: str) -> PolicyRecord | None:
        """Return the policy under ``key``, or None."""
        with self._session() as session:
            return session.get(PolicyRecord, key)

    def imports(self) -> list[ImportRecord]:
        """Return what was imported, oldest first."""
        query = select(ImportRecord).order_by(ImportRecord.updated_at, ImportRecord.entry_hash)
        with self._session() as session:
            return list(session.scalars(query))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._named_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self._named_errors(), Session(self._engine) as session:
            yield session

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise StorageError(
                f"A row for {str(self.path)!r} refers to a data set or study that is not in it ({error.orig}). "
                f"Call remember_data, then remember_study, then remember_result."
            ) from error
        except SQLAlchemyError as error:
            raise StorageError(f"The database {str(self.path)!r} cannot be used: {error}") from error


def _engine(path: Path) -> Engine:
    engine = create_engine(sqlite_url(path), connect_args={**sqlite_connect_args(), "isolation_level": None})
    # Python's driver opens no transaction before a CREATE TABLE; with BEGIN sent by us a migration is all or nothing.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _upsert(connection: Connection, table: type[Base], row: Mapping[str, Any], keep: Sequence[str] = ()) -> None:
    """Insert ``row``, or replace the one with its key except for the columns ``keep``."""
    keys = [column.name for column in table.__table__.primary_key]
    statement = insert(table).values(**row, updated_at=time.time())
    replaced = {name: statement.excluded[name] for name in (*row, "updated_at") if name not in (*keys, *keep)}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=replaced))


def _add(connection: Connection, table: type[Base], row: Mapping[str, Any]) -> bool:
    """Insert ``row`` unless its key is there; returns whether it was inserted."""
    statement = insert(table).values(**row, updated_at=time.time())
    return connection.execute(statement.on_conflict_do_nothing()).rowcount > 0
