"""What a user installs: the wheel holds the whole product and works away from the source."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Where the wheel puts each folder of the source tree.
PLACES = {
    "automix": "automix",
    "plugins": "",
    "search_spaces": "automix/search_spaces",
    "examples/automix_demo_plugin": "automix/templates/plugin",
}
PLUGINS = sorted(path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file())


def build(source: Path, kind: str, target: Path) -> Path:
    """Build with hatchling as it is installed: no network, no environment of its own."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = target.iterdir()
    return built


def content(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, alone, into a folder."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    done = subprocess.run([*pip, "--target", str(target), str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def run_installed(code: str, site: Path, cwd: Path) -> str:
    """Run code that finds automix in ``site`` only.

    Without the site module no .pth file is read, so that neither an editable install nor the source tree can stand in
    for a file that the wheel lacks.
    """
    libraries = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    header = f"import sys; sys.path[:0] = [{str(site)!r}]; sys.path += {libraries!r}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", header + code], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_wheel_holds_every_file_of_the_product_and_nothing_else(wheel: Path) -> None:
    expected = set()
    for folder, place in PLACES.items():
        for path in (ROOT / folder).rglob("*"):
            relative = path.relative_to(ROOT / folder)
            if path.is_file() and not any(part == "__pycache__" or part[0] == "." for part in relative.parts):
                expected.add((Path(place) / relative).as_posix())
    assert content(wheel) == expected


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_plugin_has_its_readme_and_type_marker_in_the_wheel(wheel: Path, plugin: str) -> None:
    assert {f"{plugin}/__init__.py", f"{plugin}/README.md", f"{plugin}/py.typed"} <= content(wheel)


def test_wheel_names_every_plugin_as_an_entry_point(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    group = archive.read(name).decode().partition("[automix]")[2].partition("[")[0]
    named = [line.partition(" = ")[2] for line in group.splitlines() if " = " in line]
    assert sorted(named) == PLUGINS


def test_wheel_that_is_built_from_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    sdist = build(ROOT, "sdist", tmp_path / "out")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    (tmp_path / "again").mkdir()
    assert content(build(source, "wheel", tmp_path / "again")) == content(wheel)


def test_installed_away_from_the_source_it_loads_every_plugin_and_search_space(site: Path, tmp_path: Path) -> None:
    code = """
import automix
from automix.manager import build_host
from automix.spaces import Facts, compose, list_spaces, load_space
host = build_host(allow=%r)
host.register_all()
print(automix.__file__)
print(*sorted(info.name for info in host.plugins if info.status == "loaded"))
print(*list_spaces())
facts = Facts(task="single", num_classes=10, channels=3, image_size=(32, 32), batch_size=64, patch_grid=8)
for name in list_spaces():
    assert compose(load_space(name), host.registry, facts).mixers, name
print(host.problems)
"""
    where, plugins, spaces, problems = run_installed(code % PLUGINS, site, tmp_path).splitlines()
    assert Path(where) == site / "automix" / "__init__.py"
    assert plugins.split() == PLUGINS
    assert spaces.split() == sorted(path.stem for path in (ROOT / "search_spaces").glob("*.yaml"))
    assert problems == "[]"


def test_installed_it_finds_its_migrations_template_and_report_page(site: Path, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from automix.report import StudyReport, render_report
from automix.scaffold import template_folder
from automix.storage import Store
Store(Path("automix.db")).close()
assert "</html>" in render_report(StudyReport(study="s", headline="h", remarks=(), facts={}, trials=()))
print(template_folder())
"""
    assert run_installed(code, site, tmp_path) == str(site / "automix" / "templates" / "plugin")
    assert (tmp_path / "automix.db").is_file()


def test_installed_command_answers(site: Path, tmp_path: Path) -> None:
    code = "import automix\nfrom automix.cli import main\nprint(automix.__version__)\nmain(['--version'])"
    version, answer = run_installed(code, site, tmp_path).splitlines()
    assert answer == f"automix {version}"
    assert (site / "bin" / "automix").is_file()
