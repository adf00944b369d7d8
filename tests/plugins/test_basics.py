from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from timm.data.mixup import Mixup as TimmMixup
from timm.data.mixup import mixup_target

from automix.mixing import Batch, Card, KeepPlan, Mixer, Requires
from automix.policy import PolicyDocument, PolicyMixer, compile_policy
from automix.registry import Entry, Registry
from automix_basics.policies import trivialmix


def compiled(registry: Registry, name: str, num_classes: int = 10) -> PolicyMixer:
    return compile_policy(PolicyDocument.from_dict(registry.policy(name)), registry, num_classes=num_classes)


def test_the_basics_are_registered_by_name(registry: Registry) -> None:
    assert set(registry.names("ratio")) >= {"beta", "uniform", "fixed", "truncated_beta"}
    assert set(registry.names("pairing")) >= {"random", "different_class", "class_balanced", "reverse"}
    assert "area" in registry.names("labels")
    assert "standard" in registry.names("input")
    assert set(registry.names("policy")) >= {"none", "timm_default", "deit", "trivialmix"}


@pytest.mark.parametrize("name", ["none", "timm_default", "deit", "trivialmix"])
def test_registered_policies_compile_and_mix_at_any_batch_size(registry: Registry, name: str) -> None:
    mix = compiled(registry, name)
    for n in (1, 2, 7):
        images, targets = mix(torch.randn(n, 3, 16, 16), torch.arange(n) % 10)
        assert images.shape == (n, 3, 16, 16)
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(n))


def test_each_policy_says_what_it_is(registry: Registry) -> None:
    for name in ("none", "timm_default", "deit", "trivialmix"):
        assert registry.get("policy", name).description.endswith(".")
        assert registry.policy(name)["name"] == name


def test_policy_none_changes_nothing(registry: Registry) -> None:
    images, labels = torch.randn(3, 1, 8, 8), torch.tensor([0, 1, 2])
    mixed, targets = compiled(registry, "none", 3)(images, labels)
    assert torch.equal(mixed, images)
    assert torch.equal(targets, torch.eye(3))


def test_timm_default_holds_the_defaults_of_the_installed_timm(registry: Registry) -> None:
    theirs = TimmMixup(mixup_alpha=0.8, cutmix_alpha=1.0)
    document = registry.policy("timm_default")
    mixup, cutmix = document["branches"]
    assert (mixup["mixer"]["name"], mixup["ratio"]["alpha"]) == ("mixup", theirs.mixup_alpha)
    assert (cutmix["mixer"]["name"], cutmix["ratio"]["alpha"]) == ("cutmix", theirs.cutmix_alpha)
    assert cutmix["weight"] / (mixup["weight"] + cutmix["weight"]) == theirs.switch_prob
    assert {branch["mixer"]["prob"] for branch in document["branches"]} == {theirs.mix_prob}
    assert document["label_smoothing"] == theirs.label_smoothing
    assert (theirs.mode, theirs.correct_lam) == ("batch", True)


def test_timm_default_does_what_timm_does(registry: Registry) -> None:
    """timm's targets for the same lam, and its images wherever our box is the same as its own."""
    mix = compiled(registry, "timm_default")
    images, labels = torch.randn(6, 3, 16, 16), torch.arange(6)
    seen: Counter[str] = Counter()
    for number in range(40):
        step = mix.batch(images, labels, epoch=0, step=number)
        plan = step.mixed.plan
        assert step.branch is not None
        lam = float(plan.lam[0])
        seen[step.branch.mixer.name] += 1
        assert len(set(plan.lam.tolist())) == 1
        torch.testing.assert_close(step.targets, mixup_target(labels, 10, lam, smoothing=0.1), atol=1e-6, rtol=1e-5)
        flipped = images.flip(0)
        if step.branch.mixer.name == "mixup":
            expected = images * lam + flipped * (1 - lam)
        else:
            expected = images.clone()
            y0, x0, y1, x1 = plan.boxes[0].tolist()
            expected[:, :, y0:y1, x0:x1] = flipped[:, :, y0:y1, x0:x1]
        torch.testing.assert_close(step.mixed.images, expected, atol=1e-6, rtol=1e-5)
    assert 10 <= seen["mixup"] <= 30


def test_deit_mixes_as_timm_default_does(registry: Registry) -> None:
    keys = {PolicyDocument.from_dict(registry.policy(name)).key() for name in ("deit", "timm_default")}
    assert len(keys) == 1


def test_trivialmix_draws_every_simple_mixer_equally_often(registry: Registry) -> None:
    mix = compiled(registry, "trivialmix")
    # tdattenmix leaves open which guide it follows, so it does not work as it is.
    expected = set(registry.names("mixer")) - {"none", "tdattenmix"}
    assert {branch.mixer.name for branch in mix.branches} == expected
    images, labels = torch.randn(2, 1, 16, 16), torch.tensor([0, 1])
    seen: Counter[str] = Counter()
    for number in range(400):
        branch = mix.batch(images, labels, epoch=0, step=number).branch
        assert branch is not None
        seen[branch.mixer.name] += 1
    assert set(seen) == expected
    fair = 400 / len(expected)
    assert all(0.5 * fair < count < 1.7 * fair for count in seen.values())


def test_trivialmix_has_uniform_ratios_and_leaves_images_as_they_come(registry: Registry) -> None:
    document = registry.policy("trivialmix")
    for branch in document["branches"]:
        reads = registry.get("mixer", branch["mixer"]["name"]).obj.reads
        assert ("ratio" in branch) == ("ratio" in reads)
        assert branch.get("ratio", {"name": "uniform"}) == {"name": "uniform"}
    assert compiled(registry, "trivialmix").treatment.name == "standard"


class _Needy(Mixer):
    name = "needy"
    card = Card(title="Needy", summary="Needs something.")

    def draw(self, batch: Batch, generator: torch.Generator) -> KeepPlan:
        return KeepPlan(n=len(batch))


@pytest.mark.parametrize(
    "lack",
    [
        {"requires": Requires(attention=True)},
        {"requires": Requires(spatial_features=True)},
        {"requires": Requires(teacher=True)},
        {"requires": Requires(human_data=True)},
        {"reads": frozenset({"guide"})},  # a slot without a default
    ],
    ids=str,
)
def test_trivialmix_leaves_out_what_needs_more_than_images(registry: Registry, lack: dict[str, Any]) -> None:
    few = Registry()
    few.add(registry.get("mixer", "mixup"))
    few.add(Entry("needy", "mixer", type("Lacking", (_Needy,), lack)))
    assert [b["mixer"]["name"] for b in trivialmix(few)["branches"]] == ["mixup"]


def test_naming_the_plugins_imports_no_torch() -> None:
    code = (
        "import sys, automix_basics, automix_none, automix_mixup, automix_cutmix, automix_resizemix, automix_fmix, "
        "automix_gridmix, automix_smoothmix, automix_saliencymix, automix_between_class; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_ratio_laws_have_the_distributions_they_name(registry: Registry, gen: torch.Generator) -> None:
    beta = registry.create("ratio", "beta", alpha=0.5).sample(20000, gen).numpy()
    assert abs(beta.mean() - 0.5) < 0.01
    assert abs(beta.var() - 0.125) < 0.005  # a / (4 a + 2) / 2 for a = 0.5
    uniform = registry.create("ratio", "uniform", low=0.2, high=0.6).sample(20000, gen).numpy()
    assert abs(np.quantile(uniform, 0.25) - 0.3) < 0.01
    cut = registry.create("ratio", "truncated_beta", alpha=1.0, low=0.1, high=0.8).sample(20000, gen).numpy()
    assert cut.min() >= 0.1
    assert cut.max() <= 0.8
    assert abs(cut.mean() - 0.45) < 0.01
