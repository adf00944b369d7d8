from __future__ import annotations

import subprocess
import sys

import optuna
import pytest
from sqlalchemy import text

from automix.errors import StorageError
from automix.storage import optuna_storage, sqlite_url


def test_storage_uses_the_fast_settings_on_every_connection(tmp_path):
    storage = optuna_storage(tmp_path / "optuna.db")
    with storage.engine.connect() as first, storage.engine.connect() as second:
        for connection in (first, second):
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(text("PRAGMA synchronous")) == 1  # 1 is NORMAL
    storage.engine.dispose()


def test_path_and_url_open_the_same_studies(tmp_path):
    path = tmp_path / "optuna.db"
    first = optuna_storage(path)
    study = optuna.create_study(storage=first, study_name="s")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    first.engine.dispose()
    second = optuna_storage(sqlite_url(path))
    assert optuna.load_study(study_name="s", storage=second).best_value == 1.0
    second.engine.dispose()


def test_database_without_a_driver_is_refused_and_its_password_is_not_shown():
    with pytest.raises(StorageError, match=r"Optuna's database mysql\+nosuch://ada:\*\*\*@host"):
        optuna_storage("mysql+nosuch://ada:secret@host/db")


WORKER = """
import sys, optuna
from automix.storage import optuna_storage
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(storage=optuna_storage(sys.argv[1]), study_name="s", load_if_exists=True)
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
"""


def test_four_processes_on_a_fresh_file_finish_all_trials(tmp_path):
    path = tmp_path / "optuna.db"
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(path)]) for _ in range(4)]
    assert [worker.wait(timeout=90) for worker in workers] == [0, 0, 0, 0]
    storage = optuna_storage(path)
    trials = optuna.load_study(study_name="s", storage=storage).trials
    assert sorted(trial.number for trial in trials) == list(range(20))
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    storage.engine.dispose()


def test_database_of_another_optuna_is_refused(tmp_path):
    storage = optuna_storage(tmp_path / "optuna.db")
    with storage.engine.begin() as connection:
        connection.execute(text("UPDATE version_info SET schema_version = 99"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'v9.9'"))
    storage.engine.dispose()
    with pytest.raises(StorageError, match="Optuna's database"):
        optuna_storage(tmp_path / "optuna.db")
