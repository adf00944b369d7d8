from __future__ import annotations

import pytest

from automix.errors import SettingError, UnknownNameError
from automix.presets import PRESETS, parse_time, preset_of
from automix.spaces import list_spaces


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("1h30m", 5400), ("45m", 2700), ("45min", 2700), ("90s", 90), ("90", 90), ("1.5h", 5400)],
)
def test_time_is_read_in_the_forms_people_write(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "xyz", "0", "-5m", "2 days", "1m2h"])
def test_what_is_no_time_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(SettingError, match=r"such as 2h.*--budget"):
        parse_time(text)


def test_unknown_preset_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'quick'"):
        preset_of("quik")


def test_presets_grow_and_name_shipped_spaces() -> None:
    smoke, quick, standard = (PRESETS[name] for name in ("smoke", "quick", "standard"))
    assert smoke.trials * smoke.epochs < quick.trials * quick.epochs < standard.trials * standard.epochs
    assert {preset.space for preset in PRESETS.values()} <= set(list_spaces())


def test_smoke_leaves_at_least_eight_trials_to_the_sampler() -> None:
    assert PRESETS["smoke"].trials >= 12
    assert PRESETS["smoke"].trials - 3 >= 8  # no mixing, trivialmix and timm's default go first
