"""What is refused before any worker starts; nothing is written then."""

from __future__ import annotations

import json

import pytest
from search_fakes import search

from automix.errors import StudyError
from automix.search import Ending
from automix.search.locks import try_lock


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Start searches without workers: all slots count as none."""

    def start(name="s", **changes):
        return search(name, tmp_path, n_trials=0, arms=(), **changes)

    return start


def test_a_study_without_open_slots_starts_no_worker(quick):
    result = quick()
    assert (result.ending, result.leaderboard, result.document) == (Ending.COMPLETE, (), None)


def test_a_running_study_is_refused(quick, tmp_path):
    with (
        try_lock(tmp_path / "studies" / "s" / "lock", "process 7"),
        pytest.raises(StudyError, match=r"running already \(process 7\)"),
    ):
        quick()
    assert not (tmp_path / "studies" / "s" / "study.json").exists()


def test_the_folder_of_another_study_is_refused_and_the_new_study_is_not_made(quick, tmp_path):
    quick("first")
    (tmp_path / "out" / "first").rename(tmp_path / "out" / "second")
    with pytest.raises(StudyError, match="results of another study, 'first'"):
        quick("second")
    assert not (tmp_path / "studies" / "second" / "study.json").exists()


def test_the_folder_may_hold_other_files(quick, tmp_path):
    out = tmp_path / "out" / "s"
    out.mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    quick()
    assert json.loads((out / "automix.json").read_text())["study"] == "s"


def test_other_settings_under_the_same_name_are_refused(quick):
    quick()
    with pytest.raises(StudyError, match=r"`lr` = 0\.1, not 0\.5"):
        quick(settings={"lr": 0.5})


def test_the_lock_is_given_back_after_a_refusal(quick):
    quick()
    with pytest.raises(StudyError):
        quick(settings={"lr": 0.5})
    assert quick().ending is Ending.COMPLETE
