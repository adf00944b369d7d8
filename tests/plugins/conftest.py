from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from automix.manager import build_host
from automix.mixing import Batch
from automix.registry import Registry

MakeBatch = Callable[..., Batch]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return build_host().registry


@pytest.fixture
def make_batch() -> MakeBatch:
    """Random images, and labels that go round through the classes."""

    def make(n: int = 4, channels: int = 3, size: tuple[int, int] = (12, 10), num_classes: int = 3) -> Batch:
        images = torch.randn(n, channels, *size, generator=torch.Generator().manual_seed(n))
        return Batch(images, torch.arange(n) % num_classes, num_classes)

    return make


@pytest.fixture
def gen() -> torch.Generator:
    return torch.Generator().manual_seed(0)
