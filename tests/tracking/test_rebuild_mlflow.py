"""MLflow's store is lost, or made anew on purpose: the books hold every run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automix.doctor.rebuild import rebuild_mlflow
from automix.errors import StudyError
from automix.policy import PolicyDocument
from automix.search.config import Arm, StudyConfig, save_config
from automix.search.folder import StudyFolder
from automix.search.ledger import Ledger, Proposal
from automix.search.locks import try_lock
from automix.search.memory import show_results
from automix.search.projection import show_slot
from automix.search.protocol import PARENT_RUN
from automix.search.reading import result_of
from automix.search.supervisor import Ending
from automix.storage import optuna_storage
from automix.tracking import Tracker, artifact_root, tracking_uri

POLICIES = {"none": (0.7, 0.8), "cutmix": (0.6, 0.9), "mixup": (0.5,)}


def make_study(work: Path) -> StudyConfig:
    """A finished study, shown in MLflow while it ran: the last trial was pruned."""
    values: dict[str, Any] = {
        "name": "study",
        "study_id": "id",
        "data_key": "key",
        "data_name": "digits",
        "data_spec": "digits",
        "data_hash": "0" * 32,
        "settings": {"epochs": 2},
        "space": {},
        "facts": {},
        "space_signature": "s",
        "plugins": {},
        "arms": (Arm("none", PolicyDocument.of("none").to_dict()),),
        "n_trials": 3,
        "out": str(work / "out"),
    }
    config = StudyConfig(**values)
    folder = StudyFolder(work, "study")
    save_config(folder, config)
    (work / "out").mkdir()
    (work / "out" / "policy.yaml").write_text("schema: automix.policy/1\n")
    ledger = Ledger(optuna_storage(folder.optuna_file), "study", create=True)
    tracker = Tracker(tracking_uri(work), artifact_root(work))
    parent = tracker.parent_run("digits", "study")
    ledger.note(PARENT_RUN, parent)
    for slot, (mixer, curve) in enumerate(POLICIES.items()):
        document = PolicyDocument.of(mixer)
        arm = mixer if mixer == "none" else ""
        record = ledger.open(slot, Proposal(policy=document.to_dict(), key=mixer, title=mixer, arm=arm), worker=1)
        rows = [
            {"val/top1": v, "val/logloss": 1 - v, "cost/cpu_s": 1.0, "cost/img_s": 9.0, "seconds": 2.0} for v in curve
        ]
        record = ledger.add_epochs(record, rows)
        record = ledger.remember_run(record, show_slot(tracker, parent, record))
        close = ledger.complete if len(curve) == 2 else ledger.prune
        show_slot(tracker, parent, close(record))
    show_results(tracker, result_of(config, folder, ledger, Ending.COMPLETE))
    tracker.artifact(parent, work / "out" / "policy.yaml", "results")
    assert tracker.problems == []
    return config


def shown(work: Path) -> dict[str, Mapping[str, Any]]:
    """Everything that MLflow shows of each run, apart from ids and times."""
    from automix.tracking.client import open_client

    client = open_client(tracking_uri(work))
    found = {}
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            history = {
                name: [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)]
                for name in run.data.metrics
            }
            found[f"{experiment.name}/{run.info.run_name}"] = {
                "status": run.info.status,
                "params": run.data.params,
                "metrics": history,
                "tags": {k: v for k, v in run.data.tags.items() if k not in ("mlflow.parentRunId", "mlflow.user")},
                "has_parent": "mlflow.parentRunId" in run.data.tags,
                "files": sorted(one.path for one in client.list_artifacts(run.info.run_id)),
            }
    return found


@pytest.mark.slow
@pytest.mark.parametrize("is_lost", [True, False])
def test_runs_metrics_params_tags_and_files_come_back(
    work: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    config = make_study(work)
    before = shown(work)
    assert len(before) == 4
    if is_lost:
        for path in work.glob("mlflow.db*"):
            path.unlink()
    # A new store takes seconds to make; the one that the session has made is as new.
    monkeypatch.setattr(
        Tracker, "ensure_store", lambda self, announce: shutil.copy(empty_store / "mlflow.db", work / "mlflow.db")
    )
    done = rebuild_mlflow(work, lambda _: None)
    assert (done.runs, done.problems) == ({"study": 3}, [])
    assert (done.kept is None) == is_lost
    assert shown(work) == before
    # The book knows the new runs, so that a search that goes on writes to them.
    ledger = Ledger(optuna_storage(work / "optuna.db"), config.name)
    from automix.tracking.client import open_client

    client = open_client(tracking_uri(work))
    for slot in ledger.slots().values():
        assert slot.run is not None
        assert client.get_run(slot.run).data.tags["mlflow.parentRunId"] == ledger.noted(PARENT_RUN)


def test_running_study_is_left_alone(work: Path) -> None:
    make_study(work)
    held = try_lock(StudyFolder(work, "study").lock_file, "process 1")
    assert held is not None
    with held, pytest.raises(StudyError, match="running already"):
        rebuild_mlflow(work, lambda _: None)
    assert (work / "mlflow.db").exists()
