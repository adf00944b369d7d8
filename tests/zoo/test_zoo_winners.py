from __future__ import annotations

import json
import math

import pytest

from automix.manager import build_host
from automix.planning import SearchRequest, plan_search
from automix.policy import Branch, ComponentSpec, PolicyDocument
from automix.zoo.winners import all_winners, own_winners

MIXUP, CUTMIX, FMIX = (PolicyDocument.of(name) for name in ("mixup", "cutmix", "fmix"))


def titles(winners):
    return [winner.entry.policy.title() for winner in winners]


def test_winners_are_those_better_than_no_mixing_best_first(store, remember):
    remember("s", [(MIXUP, 0.6), (CUTMIX, 0.7), (FMIX, 0.5)])
    winners = own_winners(store)
    assert titles(winners) == ["cutmix", "mixup"]
    best = winners[0].entry
    assert (best.gain, best.model, best.epochs, best.study_id) == (pytest.approx(0.2), "resnet18", 20, "id of s")


@pytest.mark.parametrize("score", [math.nan, 0.5, 0.4])
def test_what_diverged_or_did_not_beat_no_mixing_is_no_winner(store, remember, score):
    remember("s", [(MIXUP, score)])
    assert own_winners(store) == []


def test_what_was_pruned_is_no_winner(store, remember):
    remember("s", [(MIXUP, 0.9)], status="pruned")
    assert own_winners(store) == []


def test_a_study_without_no_mixing_has_no_winners(store, remember):
    remember("s", [(MIXUP, 0.9)], arms=[])
    remember("t", [(MIXUP, 0.9)], none=math.nan)
    assert own_winners(store) == []


def test_of_policies_with_the_same_mixers_the_best_one_counts(store, remember):
    strong, weak = (PolicyDocument.of("mixup", prob=prob) for prob in (0.9, 0.3))
    both = PolicyDocument(branches=tuple(Branch(mixer=ComponentSpec(name=name)) for name in ("mixup", "cutmix")))
    remember("s", [(weak, 0.6), (strong, 0.7), (both, 0.55)])
    assert titles(own_winners(store)) == ["mixup p=0.9", "mixup | cutmix"]


def test_a_verdict_puts_its_policy_first_or_throws_it_out(store, remember):
    remember("s", [(MIXUP, 0.6), (CUTMIX, 0.7)], verdict={"kind": "helps", "policy_key": MIXUP.key()})
    assert titles(own_winners(store)) == ["mixup", "cutmix"]
    store.remember_verdict("s", {"kind": "no_difference", "policy_key": CUTMIX.key()})
    assert titles(own_winners(store)) == ["mixup", "cutmix"]
    store.remember_verdict("s", {"kind": "do_not_mix", "policy_key": CUTMIX.key()})
    assert titles(own_winners(store)) == ["mixup"]


def test_what_was_fitted_to_the_data_stays_behind(store, remember):
    fitted = PolicyDocument.from_dict(
        {
            **PolicyDocument.of("between_class").to_dict(),
            "input": {"name": "zero_mean", "statistics": {"mean": [0.4]}},
            "classes": ["cat", "dog"],
            "found_by": {"study": "s"},
        }
    )
    remember("s", [(fitted, 0.6)])
    (winner,) = own_winners(store)
    assert winner.entry.policy.to_dict() == {
        **PolicyDocument.of("between_class").to_dict(),
        "input": {"name": "zero_mean"},
    }


def test_what_won_with_a_share_of_the_training_stands_behind_what_won_with_all_of_it(store, remember):
    remember("small", [(MIXUP, 0.9)], fidelity={"axis": "images", "share": 0.25})
    remember("whole", [(CUTMIX, 0.6)])
    winners = sorted(all_winners(store), key=lambda winner: winner.rank)
    assert [(one.entry.study, one.entry.fidelity) for one in winners] == [("whole", "full"), ("small", "images:0.25")]


def test_a_policy_that_needs_files_stays_behind(store, remember):
    remember("s", [(MIXUP.model_copy(update={"files": {"curve.json": "0" * 64}}), 0.9)])
    assert all_winners(store) == []


def test_a_real_study_leaves_what_winners_are_read_from(store, tmp_path):
    """The configuration that `automix.search` writes has the keys that are read here."""
    plan = plan_search(SearchRequest(data="digits", preset="smoke", limit=64, work=tmp_path, name="s"), build_host())
    store.remember_data(plan.config.data_hash, name="digits", meta_features=plan.data.fingerprint.meta)
    store.remember_study("s", data_hash=plan.config.data_hash, config=json.loads(plan.config.to_json()))
    for slot, (policy, score) in enumerate([(PolicyDocument.of("none"), 0.5), (MIXUP, 0.6)]):
        row = {"policy_title": "", "policy": policy.to_dict(), "status": "complete", "epochs": 8}
        store.remember_result("s", slot, policy_key=policy.key(), metrics={"val/top1": score}, **row)
    (winner,) = own_winners(store)
    assert (winner.entry.study_id, winner.entry.model) == (plan.config.study_id, plan.settings.model)
