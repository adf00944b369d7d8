from __future__ import annotations

import math
import subprocess
import sys

import pytest

from automix.errors import StorageError
from automix.storage import Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "automix.db")
    yield store
    store.close()


def remember_slot(store, slot, **changes):
    row = {
        "policy_key": "p1",
        "policy_title": "cutmix a=0.7",
        "policy": {"branches": []},
        "status": "complete",
        "epochs": 10,
        "metrics": {"best/val_top1": 0.9},
    }
    store.remember_result("s", slot, **{**row, **changes})


@pytest.fixture
def with_study(store):
    store.remember_data("h", name="digits", meta_features={"num_classes": 10})
    store.remember_study("s", data_hash="h", config={"trials": 3})
    return store


def test_what_was_remembered_is_there_after_reopening(with_study):
    remember_slot(with_study, 1)
    remember_slot(with_study, 0, status="pruned", epochs=5)
    again = Store(with_study.path)
    assert [(r.slot, r.status, r.epochs, r.metrics) for r in again.results("s")] == [
        (0, "pruned", 5, {"best/val_top1": 0.9}),
        (1, "complete", 10, {"best/val_top1": 0.9}),
    ]
    assert again.data_sets()[0].meta_features == {"num_classes": 10}
    policy = again.policy("p1")
    assert policy is not None
    assert (policy.title, policy.document) == ("cutmix a=0.7", {"branches": []})
    again.close()


def test_remembering_twice_replaces_and_does_not_repeat(with_study):
    for epochs in (5, 10):
        with_study.remember_data("h", name="digits", meta_features={"num_classes": 10})
        with_study.remember_study("s", data_hash="h", config={"trials": epochs})
        remember_slot(with_study, 0, epochs=epochs)
    assert len(with_study.data_sets()) == 1
    assert [study.config for study in with_study.studies()] == [{"trials": 10}]
    assert [result.epochs for result in with_study.results("s")] == [10]


def test_a_study_told_again_keeps_its_verdict_until_a_new_one_comes(with_study):
    with_study.remember_study("s", data_hash="h", config={}, verdict={"gain": 0.01})
    with_study.remember_study("s", data_hash="h", config={})
    assert with_study.studies()[0].verdict == {"gain": 0.01}
    with_study.remember_study("s", data_hash="h", config={}, verdict={"gain": 0.02})
    assert with_study.studies()[0].verdict == {"gain": 0.02}


def test_studies_are_listed_newest_first_and_by_data_set(with_study):
    with_study.remember_data("other", name="flowers", meta_features={})
    with_study.remember_study("t", data_hash="other", config={})
    assert [study.name for study in with_study.studies()] == ["t", "s"]
    assert [study.name for study in with_study.studies("h")] == ["s"]
    assert with_study.studies("nobody") == []


def test_a_diverged_result_is_kept(with_study):
    remember_slot(with_study, 0, metrics={"val/logloss": math.nan})
    assert math.isnan(with_study.results("s")[0].metrics["val/logloss"])


def test_result_of_an_unknown_study_is_refused_and_leaves_no_policy(store):
    with pytest.raises(StorageError, match="remember_study"):
        remember_slot(store, 0)
    assert store.policy("p1") is None


def test_unknown_names_give_nothing(store):
    assert (store.results("nobody"), store.policy("nothing"), store.studies()) == ([], None, [])


WRITER = """
import sys
from automix.storage import Store
store, worker = Store(sys.argv[1]), int(sys.argv[2])
store.remember_data("h", name="digits", meta_features={})
store.remember_study("s", data_hash="h", config={})
for slot in range(worker, 100, 4):
    store.remember_result("s", slot, policy_key=f"p{slot % 7}", policy_title="", policy={}, status="complete",
                          epochs=slot, metrics={"val/top1": slot / 100})
    assert store.results("s")
"""


def test_four_processes_on_a_fresh_file_lose_nothing(tmp_path):
    path = tmp_path / "automix.db"
    command = [sys.executable, "-W", "error", "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(worker)]) for worker in range(4)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0, 0]
    store = Store(path)
    assert [result.epochs for result in store.results("s")] == list(range(100))
    store.close()


def test_a_verdict_that_comes_later_is_kept_with_its_study(with_study):
    with_study.remember_verdict("s", {"kind": "helps", "policy_key": "p1"})
    with_study.remember_verdict("nobody", {"kind": "helps"})
    assert [(study.name, study.verdict["kind"]) for study in with_study.studies()] == [("s", "helps")]


def test_an_import_is_added_once_and_leaves_own_data_sets_alone(with_study):
    entry = {"data_name": "theirs", "meta_features": {"num_classes": 3}, "entry": {"study": "x"}, "source": "a.json"}
    assert with_study.remember_import("e1", data_hash="h", **entry)
    assert with_study.remember_import("e2", data_hash="new", **entry)
    assert not with_study.remember_import("e1", data_hash="h", **{**entry, "source": "b.json"})
    assert [(data.content_hash, data.name) for data in with_study.data_sets()] == [("h", "digits"), ("new", "theirs")]
    assert [(row.entry_hash, row.source) for row in with_study.imports()] == [("e1", "a.json"), ("e2", "a.json")]
