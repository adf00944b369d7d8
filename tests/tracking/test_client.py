from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from automix.tracking import Tracker, artifact_root, tracking_uri
from automix.tracking.client import ensure_store, quiet_environment

STARTER = """
import sys
from pathlib import Path
from automix.tracking.client import ensure_store, tracking_uri
ensure_store(tracking_uri(Path(sys.argv[1])), print)
"""


@pytest.mark.slow
def test_two_processes_on_a_fresh_folder_create_one_store_and_one_announces_it(tmp_path):
    command = [sys.executable, "-c", STARTER, str(tmp_path / "work")]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [starter.communicate(timeout=180) for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0]
    lines = [line for out, _ in printed for line in out.splitlines()]
    assert len(lines) == 1
    assert lines[0].startswith("Creating the MLflow store, once (3 to 20 s): ")
    assert [err for _, err in printed] == ["", ""]  # no chatter of MLflow or alembic
    assert not list((tmp_path / "work").glob("*.new"))


def test_an_existing_store_is_opened_without_a_word(work):
    said: list[str] = []
    ensure_store(tracking_uri(work), said.append)
    assert said == []


def test_the_store_is_in_wal_mode(empty_store):
    connection = sqlite3.connect(empty_store / "mlflow.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_what_a_kill_left_of_a_store_is_made_anew(tmp_path, monkeypatch):
    (tmp_path / "mlflow.db.new").write_text("half of it")

    def finish(uri):
        sqlite3.connect(uri.removeprefix("sqlite:///")).close()

    monkeypatch.setattr("automix.tracking.client._upgrade", finish)
    monkeypatch.setattr("automix.tracking.client.open_client", lambda uri: None)
    ensure_store(tracking_uri(tmp_path), lambda line: None)
    assert (tmp_path / "mlflow.db").exists()
    assert not (tmp_path / "mlflow.db.new").exists()


def test_store_of_another_schema_is_migrated_with_a_word_and_a_failure_is_told(work):
    connection = sqlite3.connect(work / "mlflow.db")
    connection.execute("UPDATE alembic_version SET version_num = 'nonsense'")  # no migration leads from there
    connection.commit()
    connection.close()
    tracker = Tracker(tracking_uri(work), artifact_root(work))
    said: list[str] = []
    tracker.ensure_store(said.append)
    assert said[0].startswith("Bringing the MLflow store to the installed version")
    assert "could not prepare its store" in tracker.problems[0]


def test_the_users_own_settings_win(monkeypatch):
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "DEBUG")
    assert quiet_environment()["MLFLOW_LOGGING_LEVEL"] == "DEBUG"
    assert quiet_environment()["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert quiet_environment()["PATH"] == os.environ["PATH"]


def test_importing_the_package_does_not_import_mlflow():
    code = "import sys, automix.tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
