"""Policies that train alike have traits that are near, whatever their methods."""

from __future__ import annotations

import numpy as np
import pytest
from samplers_traits import Traits

from automix.policy import Branch, ComponentSpec, PolicyDocument, Schedule

ALPHAS = [0.1, 0.2, 0.4, 0.8, 1.6]
POOL = [PolicyDocument.of(mixer, alpha=alpha) for mixer in ("mixup", "cutmix") for alpha in ALPHAS]


def distance(traits: Traits, one: PolicyDocument, other: PolicyDocument) -> float:
    a, b = traits.of([one, other])
    return float(np.linalg.norm(a - b))


def two(weight: float, *, alpha: float = 0.4) -> PolicyDocument:
    """Return mixup and cutmix in turn, mixup with a weight."""
    mixup, cutmix = (ComponentSpec(name=name, params={"alpha": alpha}) for name in ("mixup", "cutmix"))
    return PolicyDocument(branches=(Branch(mixer=mixup, weight=weight), Branch(mixer=cutmix, weight=1 - weight)))


def test_a_policy_is_nearer_to_one_with_its_method_and_nearer_with_its_numbers():
    traits = Traits(POOL)
    here = PolicyDocument.of("mixup", alpha=0.1)
    same_method = distance(traits, here, PolicyDocument.of("mixup", alpha=0.2))
    assert same_method < distance(traits, here, PolicyDocument.of("mixup", alpha=1.6))
    assert same_method < distance(traits, here, PolicyDocument.of("cutmix", alpha=0.2))


def test_numbers_of_one_method_tell_of_those_of_another():
    traits = Traits(POOL)
    here = PolicyDocument.of("mixup", alpha=0.1)
    near, far = (distance(traits, here, PolicyDocument.of("cutmix", alpha=alpha)) for alpha in (0.1, 1.6))
    assert near < far


def test_scales_do_not_matter():
    other = [PolicyDocument.of(one.branches[0].mixer.name, alpha=100 * one.branches[0].mixer.params["alpha"] ** 3)
             for one in POOL]  # fmt: skip
    assert Traits(other).of(other) == pytest.approx(Traits(POOL).of(POOL))


def test_a_pair_lies_between_its_methods_by_weight():
    traits = Traits([*POOL, two(0.5)])
    mixup = PolicyDocument.of("mixup", alpha=0.4)
    distances = [distance(traits, mixup, two(weight)) for weight in (0.9, 0.5, 0.1)]
    assert distances == sorted(distances)


def test_the_order_of_branches_does_not_matter():
    traits = Traits([*POOL, two(0.5)])
    policy = two(0.3)
    turned = policy.model_copy(update={"branches": policy.branches[::-1]})
    assert distance(traits, policy, turned) == pytest.approx(0.0)


def test_what_all_share_is_left_out_and_what_nobody_has_is_passed_over():
    wide = Traits([*POOL, POOL[0].model_copy(update={"schedule": Schedule(stop=0.8)})])
    assert wide.of(POOL).shape[1] == Traits(POOL).of(POOL).shape[1] + 1
    assert np.isfinite(Traits(POOL).of([PolicyDocument.of("fmix", decay=3.0)])).all()


def test_truth_values_are_names_and_not_numbers():
    pool = [PolicyDocument.of("mixup", rescale=flag) for flag in (True, False)]
    assert set(Traits(pool).of(pool).ravel()) == {0.0, 1.0}
