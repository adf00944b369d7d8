"""A study is read as it was written, and one that is started again must agree with itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from search_fakes import make_config

from automix.errors import StudyError
from automix.search.config import Arm, StudyConfig, load_config, save_config, settled_config


@pytest.fixture
def config(tmp_path):
    return make_config("study", tmp_path / "out")


def test_json_gives_the_same_study_back(config):
    assert StudyConfig.from_json(config.to_json()) == config


def test_a_study_of_an_earlier_version_is_read_and_goes_on(folder, config):
    values = json.loads(config.to_json())
    for name in ("goal", "fidelity", "final_epochs", "versions", "n_startup_trials", "seed"):
        del values[name]
    folder.config_file.write_text(json.dumps(values))
    stored = load_config(folder)
    assert (stored.goal, stored.fidelity, stored.final_epochs) == ("accuracy", {"axis": "epochs", "share": 1.0}, None)
    settled_config(folder, replace(config, n_startup_trials=stored.n_startup_trials))


def test_a_setting_that_an_earlier_version_did_not_know_has_its_default(folder, config):
    save_config(folder, config)
    again = replace(config, settings={**config.settings, "weight_decay": 0.05})
    assert settled_config(folder, again).name == config.name
    with pytest.raises(StudyError, match=r"`weight_decay` = 0\.05, not 0\.5"):
        settled_config(folder, replace(config, settings={**config.settings, "weight_decay": 0.5}))


def test_how_long_the_user_trains_in_the_end_may_change(folder, config):
    save_config(folder, config)
    assert settled_config(folder, replace(config, final_epochs=300)).final_epochs == 300


def test_a_trial_has_the_epochs_of_its_fidelity(config):
    assert replace(config, fidelity={"axis": "epochs", "share": 0.5}).n_epochs == 2
    assert replace(config, fidelity={"axis": "images", "share": 0.5}).n_epochs == 4


def test_a_new_study_is_taken_as_asked_and_nothing_is_written(folder, config):
    assert settled_config(folder, config) == config
    assert not folder.config_file.exists()


def test_more_trials_extend_a_study_and_keep_its_identity(folder, config):
    save_config(folder, config)
    again = settled_config(folder, replace(config, n_trials=50, study_id="another", out="elsewhere"))
    assert (again.n_trials, again.study_id, again.out) == (50, config.study_id, "elsewhere")


def test_the_device_may_change(folder, config):
    save_config(folder, config)
    again = settled_config(folder, replace(config, settings={**config.settings, "device": "cuda"}))
    assert again.settings["device"] == "cuda"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"epochs": 9, "lr": 0.1, "device": "cpu", "epoch_s": 0.05}}, "`epochs` = 4, not 9"),
        ({"seed": 5}, "`seed` = 0, not 5"),
        ({"goal": "log_loss"}, "`goal` = 'accuracy', not 'log_loss'"),
        ({"fidelity": {"axis": "images", "share": 0.25}}, "`fidelity` = 'full', not 'images:0.25'"),
        ({"space_signature": "t"}, "`space`"),
        ({"n_startup_trials": 7}, "`n_startup_trials` = 4, not 7"),
        ({"arms": (Arm("none", {}),)}, r"reference arms = \['none', 'cutmix'\]"),
        ({"data_hash": "1" * 32}, "images or labels of 'fake:data' were changed"),
        ({"data_hash": "1" * 32, "data_spec": "other"}, "others than 'fake:data'"),
        ({"plugins": {"mixer": ["none", "mixup", "fmix"]}}, "without mixer cutmix; with mixer fmix more"),
    ],
)
def test_a_study_that_is_about_something_else_is_refused_in_one_line(folder, config, changes, message):
    save_config(folder, config)
    with pytest.raises(StudyError, match=message) as caught:
        settled_config(folder, replace(config, **changes))
    assert "\n" not in str(caught.value)
    assert "--name" in str(caught.value)


def test_a_missing_study_is_named(folder):
    with pytest.raises(StudyError, match="There is no study 'study'"):
        load_config(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "automix.study/1", "nam": 1}', '{"format": "other/1"}'])
def test_a_damaged_study_file_is_named(folder, text):
    folder.config_file.write_text(text)
    with pytest.raises(StudyError, match=r"cannot be read .*study\.json"):
        load_config(folder)
