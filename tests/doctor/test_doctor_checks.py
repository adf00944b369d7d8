"""Each check of the doctor, under conditions made for it."""

from __future__ import annotations

import re
import sqlite3
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automix.doctor.folders import (
    check_databases,
    check_device,
    check_folder,
    check_network,
    check_study_plugins,
    read_studies,
)
from automix.doctor.machine import GpuFacts, check_disk, check_gpu
from automix.doctor.packages import check_extras, check_imports, check_plugins, check_requirements, own_requirements
from automix.doctor.trainer import check_smoothing, check_trainer, smoothing_in
from automix.errors import SettingError
from automix.manager import PluginHost
from automix.policy import PolicyDocument
from automix.storage import Store
from automix.storage.migrate import VERSION_TABLE, newest_schema

GIB = 2**30


@pytest.mark.parametrize(
    ("facts", "result", "words"),
    [
        (GpuFacts(), "ok", "no NVIDIA GPU"),
        (GpuFacts(1, "550.1", "12.4", ("H200",)), "ok", "uses H200"),
        (GpuFacts(1, "550.1", ""), "fail", "built without CUDA"),
        (GpuFacts(1, "470.82", "13.0", (), "driver too old"), "fail", "driver 470.82.*CUDA 13.0.*driver too old"),
        (GpuFacts(1, "", "13.0"), "fail", "no driver"),
    ],
)
def test_gpu_that_torch_cannot_use_is_found(facts: GpuFacts, result: str, words: str) -> None:
    finding = check_gpu(facts)
    assert finding.result == result
    assert re.search(words, finding.text)
    assert bool(finding.advice) == (result == "fail")


@pytest.mark.parametrize(("free", "result"), [(100 * GIB, "ok"), (2 * GIB, "warn"), (GIB // 10, "fail")])
def test_disk_that_fills_up_is_found(free: int, result: str) -> None:
    assert check_disk(free, Path("/data")).result == result


def test_work_folder_on_a_network_drive_is_found(tmp_path: Path) -> None:
    mounts = f"/dev/sda / ext4 rw 0 0\nnas:/home {tmp_path} nfs4 rw 0 0"
    finding = check_network(tmp_path / "work", mounts)
    assert (finding.result, "nfs4" in finding.text) == ("fail", True)
    assert check_network(tmp_path, "/dev/sda / ext4 rw 0 0").result == "ok"
    assert check_network(tmp_path, "").result == "ok"


def test_folder_that_cannot_be_written_or_has_no_locks_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_folder(tmp_path).result == "ok"
    assert "does not exist yet" in check_folder(tmp_path / "new" / "work").text
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr("automix.doctor.folders.is_locked", lambda _: False)
    assert "without locks" in check_folder(tmp_path).text

    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    finding = check_folder(tmp_path)
    assert (finding.result, "Permission denied" in finding.text) == ("fail", True)


def test_database_that_is_damaged_newer_or_older_is_told(tmp_path: Path) -> None:
    heads = {"automix.db": newest_schema()}
    assert check_databases(tmp_path, heads) == []
    Store(tmp_path / "automix.db").close()
    (tmp_path / "optuna.db").write_text("this is no database, however long it is" * 50)
    whole, damaged = sorted(check_databases(tmp_path, heads), key=lambda finding: finding.name)
    assert (whole.name, whole.result) == ("automix.db", "ok")
    assert (damaged.name, damaged.result) == ("optuna.db", "fail")
    for schema, result in (("9999", "fail"), ("0000", "ok")):
        with sqlite3.connect(tmp_path / "automix.db") as connection:
            connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '{schema}'")
        connection.close()
        (one,) = (f for f in check_databases(tmp_path, heads) if f.name == "automix.db")
        assert one.result == result
        assert schema in one.text


def test_study_that_cannot_be_read_or_has_other_plugins_or_leaves_the_gpu_idle_is_told(
    make_plan: Any, tmp_path: Path
) -> None:
    from automix.search.config import save_config
    from automix.search.folder import StudyFolder

    plan = make_plan(name="mine")
    save_config(StudyFolder(tmp_path, "mine"), plan.config)
    broken = StudyFolder(tmp_path, "broken").config_file
    broken.parent.mkdir(parents=True)
    broken.write_text("{}")
    configs, findings = read_studies(tmp_path)
    assert [config.name for config in configs] == ["mine"]
    assert [(finding.result, "broken" in finding.text) for finding in findings] == [("warn", True)]
    assert check_device(configs, ()) == []
    assert [finding.result for finding in check_device(configs, ("H200",))] == ["warn"]
    assert check_study_plugins(configs, plan.config.plugins) == []
    (other,) = check_study_plugins(configs, {**plan.config.plugins, "mixer": ["none"]})
    assert "without mixer" in other.text


def installed(**versions: str) -> Any:
    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    return version


def test_package_that_is_missing_or_of_another_version_is_found() -> None:
    required = ["alpha>=1,<2", "beta>=3", "gamma>=1; extra == 'fast'"]
    assert check_requirements(required, installed(alpha="1.5", beta="3.0")).result == "ok"
    finding = check_requirements(required, installed(alpha="2.1"))
    assert finding.result == "fail"
    assert "alpha 2.1 is not" in finding.text
    assert "beta is missing" in finding.text
    assert "gamma" not in finding.text
    assert check_requirements(own_requirements()).result == "ok"


def test_extra_that_is_missing_is_told_and_is_no_fault() -> None:
    required = ["alpha>=1", "gamma>=1; extra == 'fast'", "pytest; extra == 'test'"]
    missing = check_extras(required, installed(alpha="1"))
    assert (missing.result, missing.text) == ("ok", "not installed: fast (gamma)")
    assert "automix[fast]" in missing.advice
    assert check_extras(required, installed(alpha="1", gamma="1")).text == "installed: fast"


def test_compiled_package_that_does_not_fit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_imports(("numpy",)).text.startswith("numpy ")

    def refuse(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("importlib.import_module", refuse)
    finding = check_imports(("torchvision",))
    assert finding.result == "fail"
    assert "nms" in finding.text


def test_broken_plugin_is_told() -> None:
    host: Any = SimpleNamespace(register_all=lambda: None, plugins=(), problems=["Plugin 'x' is broken: no"])
    assert [(f.result, f.text) for f in check_plugins(host)] == [("warn", "Plugin 'x' is broken: no")]
    assert check_plugins(PluginHost())[0].result == "ok"


def test_labels_that_are_smoothed_twice_are_found() -> None:
    policy = PolicyDocument.of("cutmix").model_copy(update={"label_smoothing": 0.1})
    assert check_smoothing(policy, {"train.py:3": 0.1}).result == "warn"
    assert check_smoothing(policy, {"train.py:3": 0.0}).result == "ok"
    assert check_smoothing(PolicyDocument.of("cutmix"), {"train.py:3": 0.1}).result == "ok"


TRAINER = """
import automix, torch
from timm.data import Mixup
mix = automix.load_policy("policy.yaml", num_classes=10)
criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
again = Mixup(mixup_alpha=0.2)
def collate(batch):
    return mix(*torch.utils.data.default_collate(batch))
loader = torch.utils.data.DataLoader([], collate_fn=collate)
"""


def test_trainer_that_mixes_twice_or_on_the_processor_is_found(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(TRAINER)
    assert [(f.name, f.result) for f in check_trainer(script)] == [("mixing twice", "warn"), ("mixing on CPU", "warn")]
    assert smoothing_in(script) == {f"{script}:5": 0.1}
    script.write_text("loader = DataLoader([], collate_fn=None)\n")
    assert [f.result for f in check_trainer(script)] == ["ok"]
    assert smoothing_in(script) == {}
    script.write_text("def :")
    with pytest.raises(SettingError, match=r"train\.py.*--trainer"):
        check_trainer(script)
