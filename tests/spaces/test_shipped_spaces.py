"""The spaces that come with automix, over the methods that come with it, under the sampler that searches them."""

from __future__ import annotations

import json
import warnings

import optuna
import pytest
from optuna.trial import FixedTrial

from automix.manager import build_host
from automix.policy.yamlfile import YamlFile
from automix.registry import Registry
from automix.spaces import Facts, Space, SpaceDocument, compose, list_spaces, load_space
from automix.spaces.names import CUT

optuna.logging.set_verbosity(optuna.logging.WARNING)

DIGITS = Facts(num_classes=10, channels=1, image_size=(8, 8), batch_size=64)


@pytest.fixture(params=list_spaces())
def space(request: pytest.FixtureRequest, real_registry: Registry) -> Space:
    return compose(load_space(request.param), real_registry, DIGITS)


@pytest.fixture
def default(real_registry: Registry) -> Space:
    return compose(load_space("default"), real_registry, DIGITS)


def test_no_two_names_begin_with_the_same_ten_characters(space: Space) -> None:
    names = [name for name in space.parameters if not name.endswith("?")]
    assert len({name[:CUT] for name in names}) == len(names)


def test_a_space_kept_as_json_composes_to_the_same_space(space: Space, real_registry: Registry) -> None:
    kept = json.loads(space.document.model_dump_json(by_alias=True))
    again = SpaceDocument.read(YamlFile("kept", kept), is_shipped=True)
    assert compose(again, real_registry, DIGITS).outline() == space.outline()


def test_no_mixing_takes_part_and_everyone_named_is_installed(space: Space) -> None:
    assert "none" in space.mixers
    assert not [name for name, reason in space.left_out if "plugin" in reason]


def test_each_methods_published_default_can_be_enqueued(space: Space) -> None:
    for mixer in space.mixers:
        default = space.defaults(mixer)
        assert space.suggest(FixedTrial(space.encode(default))) == default


def test_the_default_space_takes_every_installed_method(real_registry: Registry) -> None:
    facts = Facts(num_classes=10, channels=3, image_size=(32, 32), batch_size=64)
    assert compose(load_space("default"), real_registry, facts).mixers == real_registry.names("mixer")


def test_encoding_a_proposal_gives_the_trials_parameters(default: Space) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(200):
        trial = study.ask()
        policy = default.suggest(trial)
        assert default.suggest(FixedTrial(default.encode(policy))) == policy
        if len(policy.branches) == trial.params["branches"]:
            assert default.encode(policy) == trial.params


def test_tpe_searches_the_default_space_without_complaint(default: Space) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group` and `multivariate`
        sampler = optuna.samplers.TPESampler(multivariate=True, group=True, n_startup_trials=8, seed=0)
        study = optuna.create_study(sampler=sampler)
        for mixer in default.mixers:
            study.enqueue_trial(default.encode(default.defaults(mixer)))
        study.optimize(lambda trial: float(len(default.suggest(trial).canonical())), n_trials=30)
    assert len(study.trials) == 30
    assert [trial.params["mixer"] for trial in study.trials[: len(default.mixers)]] == default.mixers


def test_the_small_space_is_small(real_registry: Registry) -> None:
    space = compose(load_space("small"), real_registry, DIGITS)
    assert len(space.mixers) <= 4
    assert len(space.parameters) <= 10


def test_boxes_of_the_vit_space_lie_on_the_patch_grid(real_registry: Registry) -> None:
    facts = Facts(num_classes=10, channels=3, image_size=(224, 224), batch_size=64, patch_grid=14)
    space = compose(load_space("vit"), real_registry, facts)
    known = {"mixer": "cutmix", "branches": 1, "prob.cutmix": 1.0, "alpha.cutmix": 1.0, "stop": 1.0}
    assert space.suggest(FixedTrial(known)).branches[0].mixer.params["box_grid"] == 14


def test_the_vit_space_searches_label_rules_where_the_model_has_attention(real_registry: Registry) -> None:
    plain = {"num_classes": 10, "channels": 3, "image_size": (224, 224), "batch_size": 64, "patch_grid": 14}
    able = Facts(**plain, has_attention=True, probes=frozenset({"attention", "attention_map", "features"}))
    space = compose(load_space("vit"), real_registry, able)
    known = {"mixer": "cutmix", "branches": 1, "labels.cutmix": "tl_align", "stop": 1.0}
    names = dict.fromkeys(name for name in space.parameters if name.endswith(".cutmix"))
    assert {"labels.cutmix", "update.cutmix", "depth.cutmix", "blend.cutmix", "attn.cutmix"} <= set(names)
    trial = FixedTrial(
        {**known, "prob.cutmix": 1.0, "alpha.cutmix": 1.0}
        | dict.fromkeys(("update.cutmix", "depth.cutmix", "blend.cutmix"), 0.5)
    )
    chosen = space.suggest(trial).branches[0].labels
    assert chosen is not None
    assert chosen.name == "tl_align"
    assert chosen.params["depth"] == 0.5
    unable = compose(load_space("vit"), real_registry, Facts(**plain, missing={"attention": "It is something else."}))
    reasons = dict(unable.left_out)
    assert reasons["labels tl_align"] == "needs the attention of every block of the model (It is something else)"
    assert "needs a model with attention maps" in reasons["labels transmix"]
    assert "labels.cutmix" not in unable.parameters


@pytest.mark.parametrize(("name", "kind"), [("vit", "attention"), ("cnn", "features")])
def test_guides_that_the_model_cannot_serve_are_left_out(real_registry: Registry, name: str, kind: str) -> None:
    plain = {"num_classes": 10, "channels": 3, "image_size": (64, 64), "batch_size": 64}
    probes = frozenset({"attention", "attention_map", "features"} if kind == "attention" else {"features"})
    able = Facts(**plain, has_attention=kind == "attention", has_spatial_features=kind == "features", probes=probes)
    space = compose(load_space(name), real_registry, able)
    own = "self_attention" if kind == "attention" else "cam"
    assert space.parameters["guide.tdattenmix"].choices == tuple(sorted([own, "saliency", "top_down"]))
    assert {f"{one}.tdattenmix" for one in ("sigma", "direction", "beta", "threshold")} <= set(space.parameters)
    unable = compose(load_space(name), real_registry, Facts(**plain, probes=frozenset({"features"})))
    assert f"guide {own}" in dict(unable.left_out)
    assert own not in unable.parameters["guide.tdattenmix"].choices


def test_a_blocked_method_is_left_out_of_a_shipped_space() -> None:
    registry = build_host(block=["automix_cutmix"]).registry
    space = compose(load_space("small"), registry, DIGITS)
    assert "cutmix" not in space.mixers
    assert dict(space.left_out)["cutmix"] == "no loaded plugin has it"
