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
    with pytest.raises(StorageError, match=r"schema 0002 or older.*newer automix"):
        Store(tmp_path / "x.db")


def test_rows_of_the_first_schema_survive_the_newest(tmp_path):
    path = tmp_path / "x.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        upgrade(connection, "0001")
        assert "imports" not in inspect(connection).get_table_names()
        for statement in (
            "INSERT INTO data_sets VALUES ('h', 'digits', '{\"num_classes\": 10.0}', 1.0)",
            "INSERT INTO studies VALUES ('s', 'h', '{\"trials\": 3}', '{}', 2.0)",
            "INSERT INTO policies VALUES ('p', 'cutmix', '{\"branches\": []}', 3.0)",
            "INSERT INTO results VALUES ('s', 0, 'p', 'complete', 8, '{\"val/top1\": 0.9}', 4.0)",
        ):
            connection.exec_driver_sql(statement)
    engine.dispose()
    store = Store(path)
    assert [(data.name, data.meta_features, data.updated_at) for data in store.data_sets()] == [
        ("digits", {"num_classes": 10.0}, 1.0)
    ]
    assert [study.config for study in store.studies("h")] == [{"trials": 3}]
    assert [(result.policy_key, result.metrics) for result in store.results("s")] == [("p", {"val/top1": 0.9})]
    new = {"data_hash": "h", "data_name": "digits", "meta_features": {}, "entry": {}, "source": "zoo.json"}
    assert store.remember_import("e", **new)
    assert store.imports()[0].source == "zoo.json"
    store.close()
