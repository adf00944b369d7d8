"""Small image folders, and the real data beside the repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

_REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Return a function that finds a real data file or skips the test."""

    def find(relative: str) -> Path:
        path = _REAL / relative
        if not path.exists():
            pytest.skip(f"needs the data file {relative} in shared/data beside the repository")
        return path

    return find


@pytest.fixture
def write_image() -> Callable[..., Path]:
    """Return a function that writes an image of random pixels."""
    rng = np.random.default_rng(0)

    def write(path: Path, size: tuple[int, int] = (20, 16), mode: str = "RGB", **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(path, **options)
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path, write_image: Callable[..., Path]) -> Path:
    """Two classes of ten PNG images each."""
    root = tmp_path / "pets"
    for name in ("cat", "dog"):
        for i in range(10):
            write_image(root / name / f"{i}.png")
    return root
