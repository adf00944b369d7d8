from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from automix.tracking import Tracker, artifact_root, tracking_uri


def pytest_configure(config: pytest.Config) -> None:
    # MLflow 3.17 uses a loader that SQLAlchemy 2.1 deprecates.
    config.addinivalue_line("filterwarnings", "ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A work folder with a migrated MLflow store; making one takes seconds, so it is made once."""
    work = tmp_path_factory.mktemp("store")
    tracker = Tracker(tracking_uri(work), artifact_root(work))
    tracker.ensure_store(lambda line: None)
    assert tracker.problems == []
    return work


@pytest.fixture
def work(tmp_path, empty_store) -> Path:
    shutil.copy(empty_store / "mlflow.db", tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def tracker(work) -> Iterator[Tracker]:
    tracker = Tracker(tracking_uri(work), artifact_root(work))
    yield tracker
    assert tracker.problems == []


@pytest.fixture
def client(work):
    from automix.tracking.client import open_client

    return open_client(tracking_uri(work))
