"""Plugins or space changed: the same command makes a study that follows, and nothing is trained twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from search_fakes import FakeSpace, FakeTracker, make_config, metrics_of

from automix.errors import SpaceError, StudyError
from automix.policy import PolicyDocument
from automix.search.config import Arm, StudyConfig, save_config, settled_config
from automix.search.folder import StudyFolder
from automix.search.ledger import Ledger, SlotRecord, SlotState
from automix.search.sampler import arm_proposal
from automix.search.successor import follow, succession_note, take_over
from automix.storage import optuna_storage

PLUGINS = {"mixer": ["cutmix", "mixup", "none", "stripmix"]}


class WiderSpace(FakeSpace):
    """One method more; `stripmix` has a parameter that policies of before do not name."""

    def normal(self, document: PolicyDocument) -> PolicyDocument:
        if document.branches[0].mixer.name == "gone":
            raise SpaceError("`gone` is not installed")
        return document


class Tracker(FakeTracker):
    def conclude(self, run: str | None, tags: dict[str, str], metrics: dict[str, float]) -> None:
        self.concluded = tags


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def old(work: Path, tmp_path: Path) -> StudyConfig:
    config = make_config("study", tmp_path / "out", arms=("none", "cutmix"), n_trials=6)
    save_config(StudyFolder(work, "study"), config)
    return config


@pytest.fixture
def asked(old: StudyConfig) -> StudyConfig:
    strip = PolicyDocument.of("stripmix", alpha=1.0)
    arms = (old.arms[0], Arm("stripmix", strip.to_dict()), old.arms[1])
    return replace(old, study_id="new", plugins=PLUGINS, space_signature="wider", arms=arms)


def book(work: Path, name: str = "study", create: bool = True) -> Ledger:
    return Ledger(optuna_storage(work / "optuna.db"), name, create=create)


def train(ledger: Ledger, slot: int, document: PolicyDocument, arm: str = "", end: str = "complete") -> SlotRecord:
    record = ledger.open(slot, arm_proposal(arm, document, FakeSpace()), worker=1)
    epochs = 2 if end == "prune" else 4
    record = ledger.add_epochs(record, [{**metrics_of(document, e), "seconds": 0.1} for e in range(1, epochs + 1)])
    return getattr(ledger, end)(record) if end != "fail" else ledger.fail(record, "it broke")


@pytest.fixture
def finished(work: Path, old: StudyConfig) -> Ledger:
    """None, cutmix, mixup, a pruned cutmix, a failure, and one whose method is gone."""
    ledger = book(work)
    train(ledger, 0, PolicyDocument.of("none"), "none")
    train(ledger, 1, PolicyDocument.of("cutmix", alpha=1.0), "cutmix")
    train(ledger, 2, PolicyDocument.of("mixup", alpha=0.5))
    train(ledger, 3, PolicyDocument.of("cutmix", alpha=0.2), end="prune")
    train(ledger, 4, PolicyDocument.of("mixup", alpha=0.7), end="fail")
    train(ledger, 5, PolicyDocument.of("gone"))
    return ledger


def begin(work: Path, config: StudyConfig, tracker: Any = None) -> Ledger:
    """Do what a start of the search does with a study that follows."""
    folder = StudyFolder(work, config.name)
    config = settled_config(folder, config)
    save_config(folder, config)
    ledger = book(work, config.name)
    take_over(config, folder, ledger, WiderSpace(), tracker or Tracker(), "parent")
    return ledger


def test_study_that_is_as_it_was_goes_on(work: Path, old: StudyConfig) -> None:
    again = replace(old, n_trials=9, study_id="other")
    assert follow(work, again, FakeSpace()) == again
    assert succession_note(work, again) == ""
    fresh = replace(old, name="never-heard-of")
    assert follow(work, fresh, FakeSpace()) == fresh


def test_arms_take_their_places_and_other_results_follow(work: Path, asked: StudyConfig, finished: Ledger) -> None:
    config = follow(work, asked, WiderSpace())
    assert (config.name, config.succeeds, config.out) == ("study-2", "study", asked.out + "-2")
    # Slot 1 is the new arm; the failure and the method that is gone stay behind.
    assert config.inherited == {"0": 0, "2": 1, "3": 2, "4": 3}
    assert config.n_trials == 6
    note = succession_note(work, config)
    assert "with mixer stripmix more" in note
    assert "'study-2', with 4 of its trials taken over" in note
    assert "\n" not in note


def test_results_are_taken_over_with_curve_value_parameters_and_origin(
    work: Path, asked: StudyConfig, finished: Ledger
) -> None:
    tracker = Tracker()
    slots = begin(work, follow(work, asked, WiderSpace()), tracker).slots()
    assert sorted(slots) == [0, 2, 3, 4]
    assert [slots[i].state for i in (0, 2, 3, 4)] == [SlotState.COMPLETE] * 3 + [SlotState.PRUNED]
    assert [slots[i].origin for i in (0, 2, 3, 4)] == [f"study slot {i}" for i in range(4)]
    assert slots[2].proposal.arm == "cutmix"
    before = finished.slots()
    assert slots[3].curve == before[2].curve
    trials = {trial.user_attrs["slot"]: trial for trial in book(work, "study-2").trials()}
    assert trials[3].params == {"mixer": "mixup", "alpha.mixup": 0.5}
    assert trials[3].value == finished.trials()[2].value
    assert trials[3].intermediate_values == finished.trials()[2].intermediate_values
    assert tracker.finished["run-4"][0] == "pruned"
    assert tracker.concluded == {"automix.origin": "study"}
    assert len(finished.slots()) == 6  # the old study is as it was


def test_taking_over_again_changes_nothing_and_a_kill_in_between_is_made_up_for(
    work: Path, asked: StudyConfig, finished: Ledger
) -> None:
    config = follow(work, asked, WiderSpace())
    first = begin(work, config)
    book_of_some = first.slots()
    # The old study goes on meanwhile: what is taken over was settled when the new one was made.
    train(finished, 6, PolicyDocument.of("mixup", alpha=1.9))
    again = follow(work, asked, WiderSpace())
    assert again.name == "study-2"
    assert begin(work, again).slots() == book_of_some
    assert len(book(work, "study-2").trials()) == 4


def test_plugin_added_to_the_study_that_followed_makes_a_third(
    work: Path, asked: StudyConfig, finished: Ledger
) -> None:
    begin(work, follow(work, asked, WiderSpace()))
    train(book(work, "study-2"), 1, PolicyDocument.of("stripmix", alpha=1.0), "stripmix")
    more = replace(asked, plugins={"mixer": [*PLUGINS["mixer"], "wavemix"]}, space_signature="widest")
    third = follow(work, more, WiderSpace())
    assert (third.name, third.succeeds) == ("study-3", "study-2")
    slots = begin(work, third).slots()
    assert slots[1].origin == "study-2 slot 1"
    assert slots[0].origin == "study slot 0"  # where it was trained
    # Every state of the plugins has its study.
    assert follow(work, more, WiderSpace()).name == "study-3"
    assert follow(work, asked, WiderSpace()).name == "study-2"
    assert follow(work, replace(asked, name="study-2"), WiderSpace()).out == asked.out


def test_old_study_goes_on_where_the_plugin_is_removed_again(work: Path, old: StudyConfig, asked: StudyConfig) -> None:
    book(work)
    begin(work, follow(work, asked, WiderSpace()))
    assert follow(work, old, FakeSpace()) == old


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"epochs": 9, "lr": 0.1, "device": "cpu", "epoch_s": 0.05}}, "`epochs` = 4, not 9"),
        ({"data_hash": "1" * 32}, "were changed"),
        ({"seed": 3}, "`seed`"),
        ({"goal": "log_loss"}, "`goal`"),
    ],
)
def test_values_of_another_training_are_not_taken_over(
    work: Path, asked: StudyConfig, finished: Ledger, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(StudyError, match=words):
        follow(work, replace(asked, **changes), WiderSpace())


def test_number_of_trials_grows_where_more_is_known_than_was_asked_for(
    work: Path, asked: StudyConfig, finished: Ledger
) -> None:
    assert follow(work, replace(asked, n_trials=4), WiderSpace()).n_trials == 5
    assert follow(work, replace(asked, n_trials=50), WiderSpace()).n_trials == 50


def test_models_and_trainings_on_fresh_seeds_come_along(work: Path, asked: StudyConfig, finished: Ledger) -> None:
    folder = StudyFolder(work, "study")
    for name in ("best.safetensors", "state.pt"):
        folder.checkpoint(2).mkdir(parents=True, exist_ok=True)
        (folder.checkpoint(2) / name).write_text("weights")
    done, begun = folder.path / "confirm" / "key-1", folder.path / "confirm" / "key-2"
    for path in (done, begun):
        path.mkdir(parents=True)
        (path / "model.safetensors").write_text("m")
    (done / "result.json").write_text(json.dumps({}))
    (folder.path / "confirm" / "opened.json").write_text("[[]]")
    begin(work, follow(work, asked, WiderSpace()))
    new = StudyFolder(work, "study-2")
    assert [path.name for path in new.checkpoint(3).iterdir()] == ["best.safetensors"]
    assert sorted(path.name for path in (new.path / "confirm").iterdir()) == ["key-1", "opened.json"]
    assert (new.path / "confirm" / "key-1" / "result.json").exists()
