"""Checks of the machine: does torch see the GPU that is there, and is there room on the disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from automix.doctor.finding import Finding

__all__ = ["GpuFacts", "check_disk", "check_gpu", "gpu_facts"]

_DRIVER = Path("/proc/driver/nvidia/version")
_DEVICES = Path("/dev")
_GIB = 2**30
# A study of small images leaves some hundred MiB: models, decoded images, MLflow's files. Below the smaller limit
# SQLite itself may fail to write.
_ENOUGH_GIB = 5.0
_TOO_LITTLE_GIB = 0.5


@dataclass(frozen=True)
class GpuFacts:
    """What there is and what torch makes of it.

    Attributes:
        devices: NVIDIA devices of the operating system.
        driver: version of the driver; empty where there is none.
        built_for: CUDA version that torch was built for; empty for a build without CUDA.
        usable: names of the devices that torch can use.
        reason: why torch can use none, in its own words.
    """

    devices: int = 0
    driver: str = ""
    built_for: str = ""
    usable: tuple[str, ...] = ()
    reason: str = ""


def gpu_facts() -> GpuFacts:
    """Look at this machine."""
    import torch

    devices = sum(re.fullmatch(r"nvidia\d+", path.name) is not None for path in _DEVICES.glob("nvidia*"))
    words = _DRIVER.read_text(encoding="utf-8") if _DRIVER.exists() else ""
    version = re.search(r"\b\d+\.\d+(\.\d+)?\b", words)
    reason = ""
    if torch.version.cuda and not torch.cuda.is_available():
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        except (RuntimeError, AssertionError) as err:
            reason = str(err).strip().splitlines()[0]
    return GpuFacts(
        devices=devices,
        driver=version[0] if version else "",
        built_for=torch.version.cuda or "",
        usable=tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())),
        reason=reason,
    )


def check_gpu(facts: GpuFacts) -> Finding:
    """Find GPUs that are there and cannot be used: a build without CUDA, a driver that torch does not fit."""
    if facts.usable:
        return Finding("gpu", "ok", f"torch (CUDA {facts.built_for}) uses {', '.join(facts.usable)}")
    if not facts.devices and not facts.driver:
        return Finding("gpu", "ok", "no NVIDIA GPU here; training runs on the processor")
    if not facts.built_for:
        return Finding(
            "gpu",
            "fail",
            "there is a GPU, but this torch was built without CUDA",
            "install a CUDA build of torch (pytorch.org says which)",
        )
    driver = f"driver {facts.driver}" if facts.driver else "no driver"
    return Finding(
        "gpu",
        "fail",
        f"there is a GPU ({driver}), but torch for CUDA {facts.built_for} cannot use it: {facts.reason or 'no reason'}",
        "update the driver, or install a torch for an older CUDA; CUDA_VISIBLE_DEVICES may hide it, too",
    )


def check_disk(free_bytes: int, place: Path) -> Finding:
    """Find a disk that fills up in the middle of a search."""
    free = free_bytes / _GIB
    text = f"{free:.1f} GiB free at {place}"
    if free < _TOO_LITTLE_GIB:
        return Finding("disk", "fail", text, "make room, or choose another work folder with --work")
    if free < _ENOUGH_GIB:
        return Finding("disk", "warn", text, f"below {_ENOUGH_GIB:.0f} GiB a long search may run out of space")
    return Finding("disk", "ok", text)
