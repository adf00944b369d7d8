"""Names of Optuna parameters."""

from __future__ import annotations

from automix.mixing.domains import Fixed, FloatDomain
from automix.spaces.names import CUT, name_leaves
from automix.spaces.tree import Leaf, Path

FREE = FloatDomain(0.0, 1.0)


def named(*paths: Path, fixed: tuple[Path, ...] = ()) -> list[str]:
    leaves = [Leaf(path, FREE) for path in paths] + [Leaf(path, Fixed(1.0)) for path in fixed]
    names = name_leaves(leaves)
    return [names[path] for path in paths]


def test_names_are_parameter_and_mixer_with_the_branch_between() -> None:
    assert named(
        ("mixer",),
        ("mixer", "cutmix", "prob"),
        ("mixer", "cutmix", "ratio"),
        ("mixer", "cutmix", "ratio", "beta", "alpha"),
        ("mixer2", "cutmix", "ratio", "beta", "alpha"),
    ) == ["mixer", "prob.cutmix", "ratio.cutmix", "alpha.cutmix", "alpha2.cutmix"]


def test_a_parameter_of_two_components_of_a_mixer_gets_the_components_name() -> None:
    paths = [("mixer", "cutmix", "ratio", law, "low") for law in ("uniform", "truncated_beta")]
    assert named(*paths) == ["low_uniform.cutmix", "low_truncated_beta.cutmix"]


def test_a_mixers_own_parameter_keeps_its_name_beside_a_components() -> None:
    names = named(("mixer", "waves", "low"), ("mixer", "waves", "ratio", "uniform", "low"))
    assert names == ["low.waves", "low_uniform.waves"]


def test_components_of_one_name_in_two_slots_are_told_apart_by_the_slot() -> None:
    assert named(("mixer", "m", "ratio", "one", "x"), ("mixer", "m", "pairing", "one", "x")) == [
        "x_one_ratio.m",
        "x_one_pairing.m",
    ]


def test_names_that_begin_alike_are_shortened_until_they_do_not() -> None:
    names = named(("mixer", "cutmix", "prob_unit"), ("mixer", "mixup", "prob_unit"))
    assert names == ["prob_uni.cutmix", "prob_uni.mixup"]


def test_names_that_nothing_sets_apart_are_numbered() -> None:
    names = named(("mixer", "saliencymix", "alpha"), ("mixer", "saliencygraft", "alpha"))
    assert names == ["alp-1.saliencymix", "alp-2.saliencygraft"]


def test_a_shortened_name_takes_nobody_elses() -> None:
    others = (("mixer", "cutmix", "prob_uni"), ("mixer", "mixup", "prob_uni"))
    names = named(("mixer", "cutmix", "prob_unit"), ("mixer", "mixup", "prob_unit"), *others)
    assert len({name[:CUT] for name in names}) == 4


def test_fixed_parameters_do_not_shorten_searched_ones() -> None:
    fixed = (("mixer", "saliencygraft", "alpha"),)
    assert named(("mixer", "saliencymix", "alpha"), fixed=fixed) == ["alpha.saliencymix"]


def test_a_shortened_name_is_not_that_of_a_fixed_parameter() -> None:
    fixed = (("mixer", "a", "prob_uni"),)
    paths = [("mixer", "a", "prob_unit_long"), ("mixer", "b", "prob_unit_long")]
    leaves = [*(Leaf(path, FREE) for path in paths), *(Leaf(path, Fixed(1.0)) for path in fixed)]
    assert len(set(name_leaves(leaves).values())) == 3


def test_a_hundred_like_named_methods_get_a_hundred_names() -> None:
    mixers = [f"transformer_mixing_{i}" for i in range(100)]
    paths = [(key, name, param) for key in ("mixer", "mixer2") for name in mixers for param in ("alpha", "alpine")]
    names = named(*paths)
    assert len({name[:CUT] for name in names}) == len(paths)
