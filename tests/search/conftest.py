"""Studies for tests; the fakes are a module of this folder, which is no package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from search_fakes import FakeHost, FakeTracker, fake_train

from automix.search import Ledger, StudyFolder
from automix.search.objective import Objective
from automix.search.slots import Desk, Lease, Propose
from automix.storage import optuna_storage


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    study = StudyFolder(tmp_path / "work", "study")
    study.path.mkdir(parents=True)
    return study


@pytest.fixture
def ledger(folder: StudyFolder) -> Ledger:
    return Ledger(optuna_storage(folder.optuna_file), "study", create=True)


@pytest.fixture
def make_desk(folder: StudyFolder, ledger: Ledger) -> Iterator[Callable[..., Desk]]:
    """Makes desks whose leases end with the test."""
    taken: list[Lease] = []

    class KeepingDesk(Desk):
        def take(self) -> Lease | None:
            lease = super().take()
            taken.extend([lease] if lease else [])
            return lease

    def make(n_slots: int, propose: Propose, *, ledger: Ledger = ledger) -> Desk:
        return KeepingDesk(folder, ledger, n_slots, propose)

    yield make
    for lease in taken:
        lease.release()


@pytest.fixture
def tracker() -> FakeTracker:
    return FakeTracker()


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def objective(folder: StudyFolder, ledger: Ledger, tracker: FakeTracker, host: FakeHost) -> Objective:
    def train(document, *, on_epoch, folder, attempt):
        return fake_train(document, on_epoch=on_epoch, folder=folder, attempt=attempt, epoch_s=0.0)

    return Objective(
        study="study",
        folder=folder,
        ledger=ledger,
        train=train,
        tracker=tracker,
        parent_run="parent",
        host=host,
        should_stop=lambda: False,
    )
