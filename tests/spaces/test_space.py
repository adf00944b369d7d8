"""A space proposes policies, writes known ones as trials, and knows when it is another space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import FixedTrial

from automix.errors import SpaceError
from automix.policy import Branch, ComponentSpec, PolicyDocument, Schedule
from automix.spaces import Space, signature_diff

Make = Callable[..., Space]

optuna.logging.set_verbosity(optuna.logging.WARNING)


def random_trials(n: int, seed: int = 0) -> list[optuna.Trial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [study.ask() for _ in range(n)]


def two(first: Branch, second: Branch, **fields: Any) -> PolicyDocument:
    return PolicyDocument(branches=(first, second), **fields)


def branch(mixer: str, weight: float = 1.0, ratio: dict[str, Any] | None = None, **params: Any) -> Branch:
    law = ComponentSpec(**ratio) if ratio else None
    return Branch(weight=weight, mixer=ComponentSpec(name=mixer, params=params), ratio=law)


# Proposing.


def test_a_proposal_names_every_slot_and_parameter(make: Make) -> None:
    space = make(mixers=["blend", "none"], defaults={"pairing": ["random", "different_class"]})
    params = {"mixer": "blend", "prob.blend": 0.5, "alpha.blend": 0.3, "pairing.blend": "random"}
    found = space.suggest(FixedTrial(params)).branches[0]
    assert found.mixer.params == {"prob": 0.5, "prob_unit": "sample", "draw_unit": "sample"}
    assert found.ratio == ComponentSpec(name="beta", params={"alpha": 0.3})
    assert (found.pairing, found.labels) == (ComponentSpec(name="random"), ComponentSpec(name="area"))


def test_only_parameters_of_the_chosen_branch_of_the_tree_are_asked_for(make: Make) -> None:
    space = make(mixers="all", branches=2)
    for trial in random_trials(50):
        space.suggest(trial)
        chosen = {trial.params["mixer"], trial.params.get("mixer2")}
        assert {name.removesuffix("?").rpartition(".")[2] for name in trial.params if "." in name} <= chosen


def test_ordered_pairs_come_out_in_order(make: Make) -> None:
    space = make(mixers={"waves": {"near": [0.0, 1.0], "far": [0.0, 1.0]}})
    for trial in random_trials(30):
        params = space.suggest(trial).branches[0].mixer.params
        assert params["near"] <= params["far"]


def test_two_branches_share_the_batches(make: Make) -> None:
    space = make(mixers={"blend": {"prob": 1.0, "ratio": {"fixed": {"value": 0.5}}}, "none": None}, branches=2)
    policy = space.suggest(FixedTrial({"mixer": "blend", "branches": 2, "share2": 0.25, "mixer2": "none"}))
    assert [(b.mixer.name, b.weight) for b in policy.branches] == [("blend", 0.75), ("none", 0.25)]


def test_equal_branches_are_one_policy(make: Make) -> None:
    space = make(mixers={"blend": {"prob": 1.0, "ratio": {"fixed": {"value": 0.5}}}, "none": None}, branches=2)
    single = space.suggest(FixedTrial({"mixer": "blend", "branches": 1}))
    double = space.suggest(FixedTrial({"mixer": "blend", "branches": 2, "share2": 0.3, "mixer2": "blend"}))
    assert double == single
    assert double.key() == single.key()


def test_no_mixing_has_no_schedule(make: Make) -> None:
    space = make(mixers=["blend", "none"], schedule={"stop": [0.5, 1.0]})
    assert space.suggest(FixedTrial({"mixer": "none"})).schedule == Schedule()
    assert "stop" in space.parameters


def test_smoothing_and_schedule_are_searched_where_the_file_says_so(make: Make) -> None:
    space = make(
        mixers=["blend", "none"],
        label_smoothing={"low": 0.01, "high": 0.2, "zero": True},
        schedule={"start": [0.0, 0.3], "stop": 0.9},
    )
    known = {"mixer": "blend", "prob.blend": 1.0, "alpha.blend": 1.0, "start": 0.1}
    policy = space.suggest(FixedTrial({**known, "label_smoothing?": True, "label_smoothing": 0.1}))
    assert (policy.label_smoothing, policy.schedule) == (0.1, Schedule(start=0.1, stop=0.9))
    assert space.suggest(FixedTrial({**known, "label_smoothing?": False})).label_smoothing == 0.0


def test_a_mixer_that_may_treat_the_input_is_searched_as_the_first_branch_only(make: Make) -> None:
    space = make(mixers=["blend", "treated"], branches=2)
    assert space.parameters["mixer"].choices == ("blend", "treated")
    assert "treated" not in space.outline()["mixer2"]


def test_a_component_may_draw_its_parameters_itself(make: Make) -> None:
    space = make(mixers=["steps"])
    policy = space.suggest(FixedTrial({"prob.steps": 1.0, "alpha.steps": 1.0, "count.steps": 7}))
    assert policy.branches[0].mixer.params["count"] == 6


# Encoding.


@pytest.mark.parametrize("fields", [{"branches": 1}, {"branches": 2, "defaults": {"ratio": "*", "pairing": "*"}}])
def test_encoding_is_the_inverse_of_proposing(make: Make, fields: dict[str, Any]) -> None:
    smoothing = {"low": 0.01, "high": 0.2, "zero": True}
    mixers = ["blend", "guided", "none", "treated", "waves"]
    space = make(mixers=mixers, label_smoothing=smoothing, schedule={"stop": [0.6, 1.0]}, **fields)
    for trial in random_trials(150):
        policy = space.suggest(trial)
        encoded = space.encode(policy)
        assert space.suggest(FixedTrial(encoded)) == policy
        pair = (trial.params.get("near.waves", 0), trial.params.get("far.waves", 1))
        pair2 = (trial.params.get("near2.waves", 0), trial.params.get("far2.waves", 1))
        merged = trial.params.get("branches") == 2 and len(policy.branches) == 1
        if not merged and pair == tuple(sorted(pair)) and pair2 == tuple(sorted(pair2)):
            assert encoded == _without_swapped_laws(trial.params, encoded)


def _without_swapped_laws(params: dict[str, Any], encoded: dict[str, Any]) -> dict[str, Any]:
    """Leave out laws whose ends were drawn in reverse: they come back in order."""
    return {key: encoded[key] if key.startswith(("low", "high")) else value for key, value in params.items()}


def test_a_short_policy_is_completed_before_it_is_encoded(make: Make) -> None:
    encoded = make(mixers=["blend", "none"]).encode(PolicyDocument.of("blend"))
    assert encoded == {"mixer": "blend", "prob.blend": 1.0, "alpha.blend": 1.0}


def test_the_heavier_branch_is_encoded_as_the_first(make: Make) -> None:
    space = make(mixers=["blend", "waves", "none"], branches=2)
    encoded = space.encode(two(branch("none", 1.0), branch("blend", 3.0)))
    assert (encoded["mixer"], encoded["mixer2"], encoded["share2"]) == ("blend", "none", 0.25)


def test_equal_weights_are_encoded_so_that_an_own_input_stands_first(make: Make) -> None:
    space = make(mixers=["blend", "treated"], branches=2)
    encoded = space.encode(two(branch("blend"), branch("treated")))
    assert (encoded["mixer"], encoded["share2"]) == ("treated", 0.5)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (PolicyDocument.of("blend", prob=0.1), r"`prob\.blend` is searched in \[0\.3, 1\] but got 0\.1\.$"),
        (PolicyDocument.of("blend", draw_unit="batch"), r"`draw_unit\.blend` is fixed at 'sample' but got 'batch'"),
        (PolicyDocument.of("waves"), r"the mixer 'waves' does not take part \(not named by the space space\)"),
        (PolicyDocument.of("gone"), r"Unknown mixer 'gone'"),
        (PolicyDocument.of("blend", prob=7), r"Expected `prob` in \[0, 1\]"),
        (PolicyDocument.of("steps", count=3), r"mixer `steps` draws its parameters in a way that cannot give these"),
        (
            PolicyDocument(branches=(branch("blend", ratio={"name": "uniform"}),)),
            r"`ratio\.blend` is fixed at 'beta' but got 'uniform'",
        ),
        (two(branch("blend"), branch("none"), name="switch"), r"'switch' .* it has 2 branches and the space 1"),
        (
            PolicyDocument(branches=(branch("blend"),), label_smoothing=0.1),
            r"`label_smoothing` is fixed at 0\.0 but got 0\.1",
        ),
        (
            PolicyDocument(branches=(branch("blend"),), input=ComponentSpec(name="whitened")),
            r"its input is 'whitened' but its mixers ask for 'standard'",
        ),
    ],
)
def test_what_the_space_cannot_express_is_refused_with_the_reason(
    make: Make, policy: PolicyDocument, reason: str
) -> None:
    with pytest.raises(SpaceError, match=reason):
        make(mixers=["blend", "none", "steps"]).encode(policy)


def test_a_branch_that_is_hardly_seen_is_refused(make: Make) -> None:
    space = make(mixers=["blend", "none"], branches=2)
    with pytest.raises(SpaceError, match=r"`share2` is searched in \[0\.1, 0\.5\] but got 0\.05"):
        space.encode(two(branch("blend", 0.95), branch("none", 0.05)))


# Defaults.


def test_defaults_are_published_settings_also_where_the_space_fixes_others(make: Make) -> None:
    space = make(mixers={"waves": {"prob": 0.5}, "none": None})
    found = space.defaults("waves").branches[0]
    assert (found.mixer.params["prob"], found.ratio) == (1.0, ComponentSpec(name="uniform", low=0.2, high=0.9))


def test_defaults_fill_a_slot_that_has_none_with_what_the_space_offers(make: Make) -> None:
    found = make(mixers=["guided", "none"]).defaults("guided").branches[0]
    assert found.guide == ComponentSpec(name="centre", params={"sigma": 1.0})


def test_defaults_of_a_mixer_that_is_left_out_are_refused(make: Make) -> None:
    with pytest.raises(SpaceError, match="'waves' does not take part"):
        make(mixers=["blend", "none"]).defaults("waves")


# Identity.


def test_the_signature_changes_with_choices_ranges_and_fixed_values(make: Make) -> None:
    spaces = [
        make(mixers=["blend", "none"]),
        make(mixers=["blend", "none", "waves"]),
        make(mixers={"blend": {"prob": [0.3, 0.9]}, "none": None}),
        make(mixers={"blend": {"prob": 0.9}, "none": None}),
        make(mixers={"blend": {"prob": 0.8}, "none": None}),
        make(mixers=["blend", "none"], branches=2),
    ]
    assert len({space.signature() for space in spaces}) == len(spaces)
    assert make(mixers={"none": {}, "blend": {}}, description="else").signature() == spaces[0].signature()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"mixers": ["blend", "none"]}, {"mixers": ["none", "waves"]}, ["mixer: no longer blend, now also waves"]),
        (
            {"mixers": ["blend", "none"]},
            {"mixers": {"blend": {"prob": [0.5, 1.0]}, "none": None}},
            ["prob.blend: was float 0.3 .. 1.0 linear, is now float 0.5 .. 1.0 linear"],
        ),
        (
            {"mixers": ["blend", "none"]},
            {"mixers": {"blend": {"prob": 0.8}, "none": None}},
            ["prob.blend: was float 0.3 .. 1.0 linear, is now = 0.8"],
        ),
        (
            {"mixers": ["blend", "none"]},
            {"mixers": {"blend": {"ratio": "uniform"}, "none": None}},
            [
                "ratio.blend: was = beta, is now = uniform",
                "alpha.blend: gone (float 0.1 .. 4.0 log)",
                "high.blend: new (float 0.5 .. 1.0 linear)",
                "low.blend: new (float 0.0 .. 0.5 linear)",
            ],
        ),
        ({"mixers": ["blend"]}, {"mixers": ["blend", "none"]}, ["mixer: now also none"]),
        ({"mixers": ["blend", "none"]}, {"mixers": ["none", "blend"]}, []),
    ],
)
def test_a_difference_is_said_in_words(
    make: Make, before: dict[str, Any], after: dict[str, Any], words: list[str]
) -> None:
    assert signature_diff(make(**before).outline(), make(**after).outline()) == words


def test_every_parameter_that_a_trial_meets_is_listed_with_its_distribution(make: Make) -> None:
    space = make(mixers="all", branches=2, defaults={"ratio": "*"}, label_smoothing={"zero": True})
    seen: dict[str, Any] = {}
    for trial in random_trials(200):
        space.suggest(trial)
        seen |= trial.distributions
    assert seen.keys() <= space.parameters.keys()
    for name, distribution in seen.items():
        listed = space.parameters[name]
        for field in ("low", "high", "log", "choices"):
            if hasattr(distribution, field):
                assert getattr(listed, field) == getattr(distribution, field), name
