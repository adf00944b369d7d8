from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from automix.errors import StorageError
from automix.storage.migrate import VERSION_TABLE, upgrade
from automix.storage.models import Base
from automix.storage.store import Store


@pytest.fixture
def engine(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    yield engine
    engine.dispose()


def test_migrations_from_empty_build_exactly_the_models(engine):
    with engine.begin() as connection:
        upgrade(connection)
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(engine):
    for _ in range(2):
        with engine.begin() as connection:
            upgrade(connection)
    tables = set(inspect(engine).get_table_names())
    assert tables == {*Base.metadata.tables, VERSION_TABLE}


def test_optuna_and_automix_can_share_a_database(engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('somebody-elses')"))
        upgrade(connection)
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "somebody-elses"


def test_a_failed_migration_leaves_no_table_behind(tmp_path, monkeypatch):
    def fail(connection):
        upgrade(connection)
        raise StorageError("stopped half way")

    monkeypatch.setattr("automix.storage.store.upgrade", fail)
    with pytest.raises(StorageError, match="half way"):
        Store(tmp_path / "x.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_database_of_a_newer_automix_is_refused(tmp_path):
    store = Store(tmp_path / "x.db")
    with store._engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    store.close()
    with pytest.raises(StorageError, match=r"schema 0001 or older.*newer automix"):
        Store(tmp_path / "x.db")
