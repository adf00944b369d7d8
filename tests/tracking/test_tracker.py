from __future__ import annotations

import logging
import math
import subprocess
import sys
from pathlib import Path

import pytest

from automix.tracking import Tracker, artifact_root, keys, tracking_uri

EPOCH = {keys.VAL_TOP1: 0.5, keys.VAL_LOGLOSS: 1.0, keys.COST_EPOCH_S: 2.0}


def curve(n):
    return [{**EPOCH, keys.VAL_TOP1: step / 100} for step in range(1, n + 1)]


def steps(client, run, key=keys.VAL_TOP1):
    return [metric.step for metric in client.get_metric_history(run, key)]


@pytest.fixture
def parent(tracker):
    return tracker.parent_run("digits", "quick", {}, "# quick")


def test_children_are_found_under_their_study(tracker, client, parent):
    runs = [tracker.slot_run(parent, slot, f"cutmix {slot}", {"mixer": "cutmix"}) for slot in range(3)]
    experiment = client.get_experiment_by_name("digits").experiment_id
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert {run.info.run_id for run in found} == set(runs)
    assert {run.data.tags[keys.SLOT] for run in found} == {"0", "1", "2"}
    assert {run.data.tags[keys.DATASET] for run in found} == {"digits"}


def test_a_slot_that_resumes_gets_its_run_back_running(work, tracker, client, parent):
    run = tracker.slot_run(parent, 7, "mixup", {"alpha.mixup": 0.2}, {keys.METHOD: "mixup"})
    tracker.finish(run, "stopped")
    assert client.get_run(run).info.status == "KILLED"

    later = Tracker(tracking_uri(work), artifact_root(work))
    again = later.slot_run(later.parent_run("digits", "quick"), 7, "mixup", {"alpha.mixup": 0.2})
    assert again == run
    state = client.get_run(run)
    assert (state.info.status, state.data.tags[keys.STATE]) == ("RUNNING", "running")
    assert state.data.params == {"alpha.mixup": "0.2"}
    assert later.problems == []


def test_studies_and_slots_of_one_number_stay_apart(tracker, parent):
    other = tracker.parent_run("digits", "it's another")
    assert other != parent
    assert tracker.slot_run(parent, 0, "a") != tracker.slot_run(other, 0, "a")
    assert tracker.parent_run("digits", "it's another") == other


def test_epochs_are_logged_at_their_step_and_time(tracker, client, parent):
    run = tracker.slot_run(parent, 0, "none")
    tracker.epoch(run, EPOCH, 1, time_s=1000.5)
    (metric,) = client.get_metric_history(run, keys.VAL_LOGLOSS)
    assert (metric.step, metric.timestamp, metric.value) == (1, 1_000_500, 1.0)


def test_a_diverged_epoch_is_kept(tracker, client, parent):
    run = tracker.slot_run(parent, 0, "none")
    tracker.epoch(run, {**EPOCH, keys.VAL_LOGLOSS: math.nan, keys.TRAIN_LOSS: math.inf}, 1)
    assert math.isnan(client.get_run(run).data.metrics[keys.VAL_LOGLOSS])


def test_an_epoch_repeated_after_a_resume_is_there_once(work, tracker, client, parent):
    run = tracker.slot_run(parent, 0, "none")
    for step in (1, 2, 3):
        tracker.epoch(run, EPOCH, step)
    later = Tracker(tracking_uri(work), artifact_root(work))
    run = later.slot_run(later.parent_run("digits", "quick"), 0, "none")
    for step in (3, 4):
        later.epoch(run, EPOCH, step)
    assert steps(client, run) == [1, 2, 3, 4]


@pytest.mark.parametrize("logged", [0, 2, 5])
def test_sync_adds_exactly_the_epochs_that_are_missing(work, client, tracker, parent, logged):
    run = tracker.slot_run(parent, 0, "none")
    for step, metrics in enumerate(curve(logged), start=1):
        tracker.epoch(run, metrics, step)
    for _ in range(2):
        later = Tracker(tracking_uri(work), artifact_root(work))
        run = later.slot_run(later.parent_run("digits", "quick"), 0, "none")
        later.sync_slot(run, curve(5))
    assert steps(client, run) == [1, 2, 3, 4, 5]
    assert client.get_run(run).data.metrics[keys.VAL_TOP1] == 0.05


@pytest.mark.parametrize(
    ("state", "status"),
    [("complete", "FINISHED"), ("pruned", "FINISHED"), ("stopped", "KILLED"), ("failed", "FAILED"), ("oom", "FAILED")],
)
def test_finish_sets_state_and_status(tracker, client, parent, state, status):
    run = tracker.slot_run(parent, 0, "none")
    tracker.finish(run, state, {keys.BEST_TOP1: 0.9})
    done = client.get_run(run)
    assert (done.info.status, done.data.tags[keys.STATE]) == (status, state)
    assert done.info.end_time is not None
    assert done.data.metrics[keys.BEST_TOP1] == 0.9


def test_finishing_twice_changes_only_what_differs(tracker, client, parent):
    run = tracker.slot_run(parent, 0, "none")
    tracker.finish(run, "complete", {keys.BEST_TOP1: 0.9, keys.DELTA_TOP1: 0.0})
    tracker.finish(run, "complete", {keys.BEST_TOP1: 0.9, keys.DELTA_TOP1: 0.1})
    assert len(client.get_metric_history(run, keys.BEST_TOP1)) == 1
    assert client.get_run(run).data.metrics[keys.DELTA_TOP1] == 0.1


def test_files_land_in_the_work_folder(work, tracker, client, parent, tmp_path):
    (tmp_path / "leaderboard.csv").write_text("rank\n")
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "net.bin").write_text("x")
    tracker.text(parent, keys.POLICY_FILE, "schema: automix.policy/1\n")
    tracker.finish(parent, "complete", {}, [tmp_path / "leaderboard.csv", tmp_path / "policy.d"])
    stored = {str(path.relative_to(work)) for path in artifact_root(work).rglob("*") if path.is_file()}
    assert {Path(name).name for name in stored} == {"policy.yaml", "leaderboard.csv", "net.bin"}
    assert sorted(file.path for file in client.list_artifacts(parent)) == ["leaderboard.csv", "policy.d", "policy.yaml"]


def test_description_is_what_the_interface_shows(tracker, client, parent):
    assert client.get_run(parent).data.tags[keys.NOTE] == "# quick"
    tracker.describe(parent, "do not mix")
    assert client.get_run(parent).data.tags[keys.NOTE] == "do not mix"


def test_an_experiment_deleted_in_the_interface_comes_back(tracker, client, parent):
    experiment = tracker.experiment("digits")
    client.delete_experiment(experiment)
    assert tracker.experiment("digits") == experiment
    assert client.get_experiment(experiment).lifecycle_stage == "active"


def test_a_broken_store_is_reported_once_and_ends_nothing(tmp_path, caplog):
    (tmp_path / "mlflow.db").mkdir()  # a folder where the file should be
    tracker = Tracker(tracking_uri(tmp_path), artifact_root(tmp_path))
    with caplog.at_level(logging.WARNING, "automix"):
        tracker.ensure_store(lambda line: None)
    assert len(tracker.problems) == 1
    assert "mlflow.db" in tracker.problems[0]
    assert len(caplog.records) == 1


def test_a_run_that_could_not_be_opened_takes_every_call(tracker):
    tracker.epoch(None, EPOCH, 1)
    tracker.sync_slot(None, curve(2))
    tracker.text(None, "x", "y")
    tracker.describe(None, "y")
    tracker.artifact(None, Path("nothing"))
    tracker.finish(None, "complete")
    assert tracker.slot_run(None, 0, "none") is None


def test_an_unknown_run_or_file_is_a_problem_and_not_an_error(work, tmp_path, caplog):
    tracker = Tracker(tracking_uri(work), artifact_root(work))
    for _ in range(3):
        tracker.epoch("0" * 32, EPOCH, 1)
    tracker.artifact(tracker.parent_run("digits", "quick"), tmp_path / "missing.csv")
    assert len(tracker.problems) == 2
    assert "log an epoch" in tracker.problems[0]
    assert "missing.csv" in tracker.problems[1]


def test_after_a_long_wait_epochs_are_left_for_later(work, client, monkeypatch):
    tracker = Tracker(tracking_uri(work), artifact_root(work))
    run = tracker.slot_run(tracker.parent_run("digits", "quick"), 0, "none")
    monkeypatch.setattr("automix.tracking.tracker._SLOW_S", -1.0)
    tracker.epoch("0" * 32, EPOCH, 1)  # fails, and counts as slow
    tracker.epoch(run, EPOCH, 1)
    assert steps(client, run) == []
    monkeypatch.setattr("automix.tracking.tracker.time.monotonic", lambda: 1e12)
    tracker.sync_slot(run, curve(2))
    assert steps(client, run) == [1, 2]


def test_programming_errors_are_not_hidden(tracker, parent):
    run = tracker.slot_run(parent, 0, "none")
    with pytest.raises(ValueError, match="could not convert"):
        tracker.epoch(run, {keys.VAL_TOP1: "high"}, 1)


WORKER = """
import sys
from pathlib import Path
from automix.tracking import Tracker, artifact_root, keys, tracking_uri
work, worker = Path(sys.argv[1]), int(sys.argv[2])
tracker = Tracker(tracking_uri(work), artifact_root(work))
parent = tracker.parent_run("digits", "quick")
for slot in range(worker, 12, 2):
    run = tracker.slot_run(parent, slot, f"slot {slot}", {"mixer": "none"})
    for step in range(1, 11):
        tracker.epoch(run, {keys.VAL_TOP1: step / 10}, step)
    tracker.finish(run, "complete", {keys.BEST_TOP1: 1.0})
sys.exit("; ".join(tracker.problems) or None)
"""


@pytest.mark.slow
def test_two_workers_write_at_once_and_nothing_is_lost(work, tracker, client):
    parent = tracker.parent_run("digits", "quick")
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(work), str(worker)]) for worker in range(2)]
    assert [process.wait(timeout=120) for process in workers] == [0, 0]
    runs = client.search_runs([tracker.experiment("digits")], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert sorted(int(run.data.tags[keys.SLOT]) for run in runs) == list(range(12))
    assert all(steps(client, run.info.run_id) == list(range(1, 11)) for run in runs)
