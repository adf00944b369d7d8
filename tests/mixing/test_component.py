"""Components: constructor, conditions, ordered pairs, and what a real Optuna trial makes of them."""

from __future__ import annotations

import inspect
import pickle

import optuna
import pytest

from automix.errors import SettingError, UnknownNameError
from automix.mixing import BetaLaw, Card, Choice, Component, Float, Int, TruncatedBetaLaw, UniformLaw


class Strips(Component):
    kind = "mixer"
    name = "strips"
    card = Card(title="Strips", summary="Strips.")
    # Declared before what it depends on, to be asked after it all the same.
    count = Int(3, low=1, high=9, doc="Strips.", source="ours", when={"mode": ("many",)})
    mode = Choice("one", choices=("one", "many"), doc="How many.", source="ours")
    low = Float(0.0, low=0.0, high=1.0, doc="From.", source="ours")
    high = Float(1.0, low=0.0, high=1.0, doc="To.", source="ours")
    ordered = (("low", "high"),)


def suggested(trial: optuna.trial.BaseTrial) -> dict[str, object]:
    domains = {name: param.domain() for name, param in Strips.params.items()}
    return Strips.suggest(trial, {name: f"{name}.strips" for name in Strips.params}, domains)


def test_signature_lists_the_declared_parameters_and_defaults() -> None:
    signature = inspect.signature(Strips)
    assert {name: p.default for name, p in signature.parameters.items()} == Strips.defaults_of()
    assert all(p.kind is p.KEYWORD_ONLY for p in signature.parameters.values())


def test_a_subclass_inherits_and_overrides_parameters() -> None:
    class More(Strips):
        name = "more"
        mode = Choice("many", choices=("one", "many"), doc="How many.", source="ours")
        extra = Int(0, low=0, high=1, doc="More.", source="ours")

    assert list(More.params) == ["count", "mode", "low", "high", "extra"]
    assert More().mode == "many"
    assert Strips().mode == "one"


def test_an_unknown_parameter_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'count'"):
        Strips(cuont=3)


def test_a_value_without_effect_is_refused_and_the_condition_named() -> None:
    with pytest.raises(SettingError, match=r"`count` = 5 has no effect \(mixer strips\): .* `mode` is many"):
        Strips(count=5)
    assert Strips(count=5, mode="many").count == 5
    assert Strips(count=3).count == 3


def test_ordered_pairs_out_of_order_are_refused() -> None:
    with pytest.raises(SettingError, match=r"Expected `low` <= `high` but got 0.7 > 0.2"):
        Strips(low=0.7, high=0.2)


def test_config_and_pickle_keep_the_values() -> None:
    strips = Strips(mode="many", count=5)
    assert strips.config() == {"name": "strips", "count": 5, "mode": "many", "low": 0.0, "high": 1.0}
    assert pickle.loads(pickle.dumps(strips)).config() == strips.config()


def test_a_real_trial_gives_constructor_values_for_conditional_and_ordered_parameters() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(40):
        trial = study.ask()
        chosen = suggested(trial)
        strips = Strips(**chosen)
        assert strips.low <= strips.high
        assert ("count" in chosen) == (strips.mode == "many")
        assert ("count.strips" in trial.params) == (strips.mode == "many")
        seen.add(strips.mode)
        study.tell(trial, 0.0)
    assert seen == {"one", "many"}


@pytest.mark.parametrize("law", [BetaLaw, UniformLaw, TruncatedBetaLaw])
def test_a_known_value_enqueued_in_encoded_form_comes_back(law: type[Component]) -> None:
    keys = {name: f"{name}.law" for name in law.params}
    domains = {name: param.domain() for name, param in law.params.items()}
    wanted = {"alpha": 0.7, "low": 0.25, "high": 0.75}
    encoded = {k: v for name in law.params for k, v in domains[name].encode(keys[name], wanted[name]).items()}
    study = optuna.create_study()
    study.enqueue_trial(encoded)
    assert law.suggest(study.ask(), keys, domains) == {name: wanted[name] for name in law.params}
