"""Where and in which precision a training computes, and torch's global generators borrowed for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from automix.errors import SettingError

__all__ = ["autocast", "choose_device", "seeded"]

_CPU = torch.device("cpu")


def choose_device(name: str) -> torch.device:
    """Turn a setting into a device; "auto" is a GPU where there is one.

    Raises:
        SettingError: the GPU that was asked for is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type != "cuda":
        return device
    if not torch.cuda.is_available():
        raise SettingError(f"Expected a GPU for `device` {name!r} but torch sees none: use cpu, or check the driver.")
    index = torch.cuda.current_device() if name == "cuda" else device.index
    if index >= torch.cuda.device_count():
        raise SettingError(f"Expected `device` below cuda:{torch.cuda.device_count()} but got {name!r}.")
    return torch.device("cuda", index)


def autocast(device: torch.device, amp: str) -> AbstractContextManager[object]:
    """Make the context for forward passes: bfloat16 where the GPU has it and ``amp`` is "auto", else as it is."""
    if amp == "off" or device.type != "cuda" or not torch.cuda.is_bf16_supported():
        return nullcontext()
    return torch.autocast("cuda", dtype=torch.bfloat16)


@contextmanager
def seeded(seed: int, device: torch.device = _CPU) -> Iterator[None]:
    """Seed torch's global generators of the CPU and of ``device`` while the block runs; then put them back.

    Networks need it: timm's initialisation, dropout and drop-path know no other generator.
    """
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        if gpus:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
