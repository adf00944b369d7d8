"""The one place where MLflow is imported: quietly, and with a store that is ready.

MLflow takes a second to import and writes to the terminal, so this happens late, and with its chatter off. What a user
has set in the environment is left alone, and warnings and errors still come through.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from automix.errors import StorageError
from automix.storage import exclusive, prepare_sqlite, sqlite_path, sqlite_url
from automix.storage.sqlite import refuse_network

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["artifact_root", "ensure_store", "open_client", "quiet_environment", "silence", "tracking_uri"]

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A tracking server that is down must not hold up a trial: MLflow's own retries add up to minutes per call.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def tracking_uri(work: Path) -> str:
    """Return the URI of the tracking store in a work folder."""
    return sqlite_url(work / "mlflow.db")


def artifact_root(work: Path) -> Path:
    """Return the folder for files of runs in a work folder; absolute, since MLflow writes it into every run."""
    return work.absolute() / "mlflow-artifacts"


def silence() -> None:
    """Turn MLflow's telemetry and chatter off in this process; to be called before MLflow is imported."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def quiet_environment() -> dict[str, str]:
    """Return the environment with MLflow's telemetry and chatter off, for a process that runs it."""
    return {**_QUIET, **os.environ}


def open_client(uri: str) -> MlflowClient:
    """Import MLflow and connect to ``uri``; creates the tables of a database that has none, which takes a while."""
    silence()
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    client.search_experiments(max_results=1)  # connects now rather than at the first epoch
    return client


def ensure_store(uri: str, announce: Callable[[str], None]) -> None:
    """Create the store behind ``uri``, or bring its schema to that of the installed MLflow.

    Safe with several processes. The tables of a new SQLite file are built aside and moved into place, so that a kill
    half way leaves nothing that MLflow would stumble over.

    Args:
        uri: a database is created or migrated, a tracking server only asked.
        announce: called with one line before anything that takes seconds.

    Raises:
        StorageError: the migration failed; with MLflow's own last line.
    """
    silence()
    from mlflow.exceptions import MlflowException

    path = sqlite_path(uri)
    if path is not None:
        _create_file(path, announce)
        prepare_sqlite(path)
    try:
        open_client(uri)
    except MlflowException as error:
        if "out-of-date database schema" not in str(error):
            raise
        announce(f"Bringing the MLflow store to the installed version, once (10 to 60 s): {_without_password(uri)}")
        _upgrade(uri)


def _create_file(path: Path, announce: Callable[[str], None]) -> None:
    refuse_network(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path.with_name(f"{path.name}.lock")):
        if path.exists():
            return
        announce(f"Creating the MLflow store, once (3 to 20 s): {path}")
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        _upgrade(sqlite_url(fresh))
        fresh.replace(path)


def _upgrade(uri: str) -> None:
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
    done = subprocess.run(command, env=quiet_environment(), capture_output=True, text=True, check=False)  # noqa: S603  our own interpreter
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise StorageError(f"MLflow could not prepare its store {_without_password(uri)}: {last}")


def _without_password(uri: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(uri).render_as_string(hide_password=True)
