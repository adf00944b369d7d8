"""The field reference knows every field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automix.errors import SpaceError
from automix.manager import build_host
from automix.policy.yamlfile import parse_yaml
from automix.spaces import Facts, SpaceDocument, compose, list_spaces
from automix.spaces.compose import PATCHES
from automix.spaces.document import OWN, MixerEntry, ScheduleEntry, SlotEntries

PAGE = Path(__file__).parents[2] / "docs" / "search-spaces.md"
FIELDS = [
    field.alias or name
    for model in (SpaceDocument, SlotEntries, MixerEntry, ScheduleEntry)
    for name, field in model.model_fields.items()
]


@pytest.mark.parametrize("word", sorted({*FIELDS, OWN, PATCHES, "low", "high", "scale", "zero", "all", *list_spaces()}))
def test_every_field_and_word_is_documented(word: str) -> None:
    assert re.search(rf"`[^`]*\b{word}\b[^`]*`", PAGE.read_text())


def test_the_example_in_the_docs_is_a_space() -> None:
    example = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    document = SpaceDocument.read(parse_yaml(example[1], "example.yaml", SpaceError))
    facts = Facts(num_classes=10, channels=3, image_size=(32, 32), batch_size=64)
    assert "cutmix" in compose(document, build_host().registry, facts).mixers
