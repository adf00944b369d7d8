"""The demo plugin, installed for real as a distribution of its own, without a second environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "examples" / "automix_demo_plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the demo's wheel and install it, alone, into a folder."""
    source = tmp_path_factory.mktemp("source") / "demo"
    shutil.copytree(DEMO, source, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", str(site), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return site


def run(code: str, site: Path) -> str:
    path = os.pathsep.join([str(site), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_installed_demo_is_listed_without_importing_torch(installed: Path) -> None:
    code = """
        import sys
        from automix.manager import build_host
        found = [info for info in build_host().plugins if info.name == "automix_demo_plugin"]
        print(*[(info.distribution, info.version, info.status) for info in found], "torch" in sys.modules)
    """
    assert run(f"if True:{code}", installed) == "('automix-demo-plugin', '0.1.0', 'loaded') False"


def test_installed_demo_mixes(installed: Path) -> None:
    code = """
        import torch
        from automix.manager import build_host
        from automix.mixing import Batch
        host = build_host()
        mixer = host.registry.create("mixer", "stripmix", strips=3)
        images = torch.rand(4, 3, 9, 9)
        plan = mixer.draw(Batch(images, torch.arange(4), 4), torch.Generator().manual_seed(0))
        origin = host.registry.get("mixer", "stripmix").distribution
        print(origin, tuple(mixer.apply(images, plan).images.shape))
    """
    assert run(f"if True:{code}", installed) == "automix-demo-plugin (4, 3, 9, 9)"


def test_wheel_holds_the_type_marker_and_no_tests(installed: Path) -> None:
    assert (installed / "automix_demo_plugin" / "py.typed").is_file()
    assert not (installed / "tests").exists()
