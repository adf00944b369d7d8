"""The schema of space files: shorthands mean what their long forms mean."""

from __future__ import annotations

from typing import Any

import pytest

from automix.errors import SpaceError
from automix.policy.yamlfile import parse_yaml
from automix.spaces import SpaceDocument


@pytest.mark.parametrize("short", ["all", ["*"], {"*": None}, {"*": {}}])
def test_all_mixers_can_be_written_in_several_ways(short: Any) -> None:
    assert SpaceDocument.of(mixers=short).mixers == SpaceDocument.of(mixers={"*": {}}).mixers


@pytest.mark.parametrize("short", ["beta", ["beta"], {"beta": None}])
def test_a_slot_takes_a_name_a_list_or_a_mapping(short: Any) -> None:
    assert SpaceDocument.of(mixers="all", defaults={"ratio": short}).defaults.ratio == {"beta": {}}


def test_keys_of_a_mixer_that_are_no_slots_are_parameters() -> None:
    entry = SpaceDocument.of(mixers={"cutmix": {"prob": 1.0, "ratio": "beta"}}).mixers["cutmix"]
    assert (entry.params, entry.slot("ratio"), entry.slot("pairing")) == ({"prob": 1.0}, {"beta": {}}, None)


def test_parts_are_found_by_name_in_lists_and_mappings() -> None:
    text = "schema: automix.space/1\nmixers:\n- none\n- mixup\ndefaults:\n  ratio:\n    beta:\n      alpha: 1\n"
    document = SpaceDocument.read(parse_yaml(text, "mine.yaml", SpaceError))
    assert document.where("mixers", "mixup") == "mine.yaml line 4"
    assert document.where("defaults", "ratio", "beta", "alpha") == "mine.yaml line 8"
    assert document.where("defaults", "ratio", "beta", "gone") == "mine.yaml line 7"
    assert document.where("mixers", "cutmix") == "mine.yaml line 2"
