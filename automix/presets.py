"""Presets: how much a search does where the user does not say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from automix.errors import SettingError, unknown_name

__all__ = ["PRESETS", "Preset", "parse_time", "preset_of"]


@dataclass(frozen=True)
class Preset:
    """Sizes of a search.

    Args:
        summary: when to use it.
        trials: slots, reference arms included.
        epochs: of each trial.
        space: search space.
        has_method_arms: whether each method's published default is a reference arm too.
        startup: finished trials before the sampler stops proposing at random.
        confirm: fresh seeds on which the best policies and the references are trained again; 0 for no verdict. With
            five a gain of five points on noisy labels is found in 88 of 100 studies, with three in 64
            (docs/verdict.md).
        best: how many policies of the ranking are trained again.
        has_memory_arms: whether policies that won on the nearest data sets are reference arms too.
    """

    summary: str
    trials: int
    epochs: int
    space: str
    has_method_arms: bool
    startup: int
    confirm: int
    best: int
    has_memory_arms: bool = True


PRESETS = {
    "smoke": Preset(
        "shows that everything works, in a minute or two; too short to believe", 14, 8, "small", False, 6, 0, 3, False
    ),
    "quick": Preset("a first look", 30, 20, "default", True, 10, 5, 2),
    "standard": Preset("a result to act on", 64, 40, "default", True, 12, 5, 3),
}

_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?")


def preset_of(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS, "--preset")
    return PRESETS[name]


def parse_time(text: str) -> float:
    """Read "2h", "1h30m", "45m", "90s" or "90" (seconds).

    Returns:
        Seconds.

    Raises:
        SettingError: it is none of these, or zero.

    Example:
        >>> parse_time("1h30m"), parse_time("90")
        (5400.0, 90.0)
    """
    match = _TIME.fullmatch(text.strip().lower())
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise SettingError(f"Expected a time such as 2h, 1h30m, 45m or 90s but got {text!r} (--budget).")
    return total
