"""What cannot work with the data and the model says why."""

from __future__ import annotations

from typing import Any

import pytest

from automix.mixing import AreaLabels, BetaLaw, Requires
from automix.registry import Registry
from automix.spaces import Facts
from automix.spaces.facts import unmet

BASE: dict[str, Any] = {"num_classes": 10, "channels": 1, "image_size": (8, 12), "batch_size": 64}


@pytest.mark.parametrize(
    ("needs", "reason"),
    [
        (Requires(tasks=("multi",)), "not defined for the task 'single'"),
        (Requires(min_size_px=9), "needs images of at least 9 px but they are 8x12"),
        (Requires(square=True), "needs square images but they are 8x12"),
        (Requires(min_channels=3), "needs 3 channels but the images have 1"),
        (Requires(attention=True), "needs a model with attention maps"),
        (Requires(spatial_features=True), "needs a model with a feature map that its head averages"),
        (Requires(teacher=True), "needs a trained teacher"),
        (Requires(human_data=True), "needs human judgments"),
        (Requires(attention=True, teacher=True), "needs a model with attention maps, needs a trained teacher"),
        (Requires(min_size_px=8), ""),
    ],
)
def test_each_declared_need_is_compared_with_the_facts(registry: Registry, needs: Requires, reason: str) -> None:
    mixer = type("Needy", (registry.get("mixer", "blend").obj,), {"requires": needs})
    assert unmet(mixer, Facts(**BASE)) == reason


@pytest.mark.parametrize("trait", ["attention", "spatial_features", "teacher", "human_data"])
def test_a_trait_that_is_there_meets_the_need(registry: Registry, trait: str) -> None:
    mixer = type("Needy", (registry.get("mixer", "blend").obj,), {"requires": Requires(**{trait: True})})
    assert unmet(mixer, Facts(**BASE, **{f"has_{trait}": True})) == ""


def test_pairs_need_batches_of_two(registry: Registry) -> None:
    single = {**BASE, "batch_size": 1}
    assert unmet(registry.get("mixer", "blend").obj, Facts(**single)) == "has no partners in batches of one image"
    assert unmet(registry.get("mixer", "none").obj, Facts(**single)) == ""


def test_a_label_rule_needs_its_probes(registry: Registry) -> None:
    rule = registry.get("labels", "watched").obj
    assert unmet(rule, Facts(**BASE)) == "needs the attention of every block of the model"
    assert unmet(rule, Facts(**BASE, probes=frozenset({"attention"}))) == ""
    facts = Facts(**BASE, missing={"attention": "It is a convolutional network."})
    assert unmet(rule, facts) == "needs the attention of every block of the model (It is a convolutional network)"


def test_components_without_declared_needs_always_work() -> None:
    assert unmet(BetaLaw, Facts(**BASE)) == unmet(AreaLabels, Facts(**BASE)) == ""
