"""`automix plugins new`: the demo plugin under other names."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from automix.errors import SettingError, StorageError
from automix.scaffold import scaffold_plugin, template_folder

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "examples" / "automix_demo_plugin"


def files_of(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in paths if not {"__pycache__", ".pytest_cache"} & set(path.parts))
    return {str(path.relative_to(folder)): path.read_text() for path in kept}


def test_under_the_demo_s_own_names_it_is_the_demo(tmp_path: Path) -> None:
    written = scaffold_plugin("stripmix", tmp_path, package="automix_demo_plugin")
    assert files_of(written) == files_of(DEMO)


def test_no_name_of_the_demo_is_left(tmp_path: Path) -> None:
    written = scaffold_plugin("wave_mix", tmp_path)
    assert written == tmp_path / "automix_wave_mix"
    for path, text in files_of(written).items():
        assert "demo" not in path + text
        assert "stripmix" not in (path + text).lower()


def test_names_are_consistent(tmp_path: Path) -> None:
    written = scaffold_plugin("wave_mix", tmp_path)
    project = tomllib.loads((written / "pyproject.toml").read_text())
    assert project["project"]["name"] == "automix-wave-mix"
    assert project["project"]["entry-points"]["automix"] == {"automix_wave_mix": "automix_wave_mix"}
    assert "class WaveMix(" in (written / "automix_wave_mix" / "mixer.py").read_text()
    assert (written / "tests" / "test_wave_mix.py").is_file()


def test_scaffolded_plugin_passes_its_own_tests_as_it_comes(tmp_path: Path) -> None:
    written = scaffold_plugin("wave_mix", tmp_path)
    path = os.pathsep.join([str(written), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=written,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["", "WaveMix", "wave-mix", "2mix", "../mix", "wave mix", "none", "class"])
def test_name_that_python_or_automix_cannot_use_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match="name"):
        scaffold_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_package_name_is_checked_too(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"the package's name .* but got 'my-package'"):
        scaffold_plugin("wavemix", tmp_path, package="my-package")


def test_name_of_an_installed_mixer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="'cutmix' is installed already"):
        scaffold_plugin("cutmix", tmp_path, taken=["cutmix", "mixup"])


def test_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "automix_wavemix").mkdir()
    (tmp_path / "automix_wavemix" / "mine.txt").write_text("mine")
    with pytest.raises(SettingError, match=r"does not exist yet but .*automix_wavemix does"):
        scaffold_plugin("wavemix", tmp_path)
    assert files_of(tmp_path) == {"automix_wavemix/mine.txt": "mine"}


def test_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Could not write the plugin to"):
        scaffold_plugin("wavemix", tmp_path / "file")


def test_installed_template_goes_before_the_checkout_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automix.scaffold.files", lambda _: tmp_path / "automix")
    with pytest.raises(StorageError, match=r"looked in .*templates.* and .*examples"):
        template_folder()
    for place in ("examples/automix_demo_plugin", "automix/templates/plugin"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "pyproject.toml").write_text("")
        assert template_folder() == tmp_path / place


def test_wheel_of_automix_carries_the_demo_as_template(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("automix-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    template = tmp_path / "site" / "automix" / "templates" / "plugin"
    assert files_of(template) == files_of(DEMO)
