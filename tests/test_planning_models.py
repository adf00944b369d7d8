"""What a plan makes of the model: who takes part, who is left out and why, and recipes in the model's own patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Plan = Callable[..., Any]


@pytest.fixture
def vit_plan(make_plan: Plan) -> Any:
    """A plan for 16 x 16 px in 8 x 8 patches."""
    return make_plan(model="automix_vit_mini", image_size=16, space="vit", preset="quick", trials=30)


def test_a_papers_boxes_lie_on_the_patches_of_the_model_at_hand(vit_plan: Any) -> None:
    arms = {arm.name: arm.policy for arm in vit_plan.config.arms}
    branch = arms["tl_align_paper"]["branches"][0]
    assert branch["mixer"]["box_grid"] == vit_plan.config.facts["patch_grid"] == 8
    assert branch["labels"]["name"] == "tl_align"
    assert arms["transmix_paper"]["branches"][0]["mixer"]["box_grid"] == 0  # pixels, as published


def test_facts_of_a_transformer_name_every_probe(vit_plan: Any) -> None:
    facts = vit_plan.config.facts
    assert facts["probes"] == ["attention", "attention_map", "features"]
    assert facts["missing"] == {}


def test_rules_that_the_model_cannot_serve_are_left_out_with_the_reason(make_plan: Plan) -> None:
    plan = make_plan(model="automix_resnet8", space="vit", preset="quick", trials=30)
    reasons = dict(plan.space.left_out)
    assert "convolutional network" in reasons["labels tl_align"]
    assert "convolutional network" in reasons["labels transmix"]
    notes = " ".join(plan.notes)
    assert "'tl_align_paper' cannot take part: labels 'tl_align' needs the attention of every block" in notes
    # Without its first branch it would be mixup under a wrong name.
    assert "'transmix_paper' cannot take part: labels 'transmix' needs a model with attention maps" in notes
    assert not {arm.name for arm in plan.config.arms} & {"tl_align_paper", "transmix_paper"}
