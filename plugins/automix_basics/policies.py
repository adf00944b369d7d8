"""Whole policies that need no search: the reference arms of every study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automix.mixing import Mixer
    from automix.registry import Registry

__all__ = ["DEIT", "NONE", "TIMM_DEFAULT", "trivialmix"]

_SCHEMA = "automix.policy/1"

NONE: Mapping[str, Any] = {"schema": _SCHEMA, "name": "none", "branches": [{"mixer": {"name": "none"}}]}


def _mixup_or_cutmix(name: str) -> dict[str, Any]:
    """Return what timm.data.Mixup(mixup_alpha=0.8, cutmix_alpha=1.0) with its other defaults does."""

    def branch(mixer: str, alpha: float) -> dict[str, Any]:
        return {
            "weight": 0.5,  # switch_prob
            "mixer": {"name": mixer, "prob": 1.0, "draw_unit": "batch"},  # mode "batch"
            "ratio": {"name": "beta", "alpha": alpha},
            "pairing": {"name": "reverse"},
        }

    branches = [branch("mixup", 0.8), branch("cutmix", 1.0)]
    return {"schema": _SCHEMA, "name": name, "branches": branches, "label_smoothing": 0.1}


# The two alphas are those of timm's published recipes (in its train script they default to 0, which is off); the
# probability, switching, batch mode and smoothing are its defaults. One thing differs: timm keeps odd box sides whole,
# here boxes are those of the official CutMix (one pixel shorter on such an axis); the label follows the pixels in both.
TIMM_DEFAULT: Mapping[str, Any] = _mixup_or_cutmix("timm_default")

# DeiT (Touvron et al. 2021, arXiv 2012.12877, table 9) mixes with timm's class and these very numbers. What else its
# recipe holds (RandAugment, random erasing, repeated augmentation, stochastic depth) is no mixing.
DEIT: Mapping[str, Any] = _mixup_or_cutmix("deit")


def trivialmix(registry: Registry) -> Mapping[str, Any]:
    """Make the policy with one branch of equal weight per mixer that works as it is, with uniform ratios.

    After TrivialAugment (Müller and Hutter 2021, arXiv 2103.10158): one randomly drawn operation at a random
    strength, nothing tuned.
    """
    mixers = [registry.get("mixer", name).obj for name in registry.names("mixer")]
    branches = [_trivial_branch(mixer) for mixer in mixers if _works_as_it_is(mixer)]
    # Images stay as they are: one network sees all branches, and none of them may change the input of the others.
    return {"schema": _SCHEMA, "name": "trivialmix", "branches": branches, "input": {"name": "standard"}}


def _works_as_it_is(mixer: type[Mixer]) -> bool:
    """Whether it mixes, without attention, teacher or human data, and every slot it reads has a default."""
    needs = mixer.requires
    is_simple = not (needs.attention or needs.spatial_features or needs.teacher or needs.human_data)
    return mixer.name != "none" and is_simple and mixer.reads - {"labels"} <= mixer.defaults.keys()


def _trivial_branch(mixer: type[Mixer]) -> dict[str, Any]:
    branch: dict[str, Any] = {"weight": 1.0, "mixer": {"name": mixer.name}}
    if "prob" in mixer.params:
        branch["mixer"]["prob"] = 1.0
    if "ratio" in mixer.reads:
        branch["ratio"] = {"name": "uniform"}
    return branch
