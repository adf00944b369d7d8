"""Proposals repeat from the same history, differ by slot and leave nothing behind."""

from __future__ import annotations

from statistics import median

import pytest
from search_fakes import FakeSpace

from automix.policy import PolicyDocument
from automix.search.sampler import arm_proposal, sampled_proposal

ROW = {"val/top1": 0.5, "val/logloss": 1.0, "seconds": 1.0}


def fill(ledger, n: int) -> None:
    """Finish slots whose value is best for cutmix with a small alpha."""
    for slot in range(n):
        proposal = sampled_proposal(ledger.trials(), FakeSpace(), seed=0, slot=slot, n_startup_trials=5)
        mixer = proposal.policy["branches"][0]["mixer"]
        top1 = 1.0 - mixer["alpha"] / 4 if mixer["name"] == "cutmix" else 0.1
        ledger.complete(ledger.add_epochs(ledger.open(slot, proposal, worker=1), [{**ROW, "val/top1": top1}]))


@pytest.mark.parametrize("n", [2, 12], ids=["random", "tpe"])
def test_the_same_history_gives_the_same_proposal(ledger, n):
    fill(ledger, n)
    first, second = (
        sampled_proposal(ledger.trials(), FakeSpace(), seed=0, slot=n, n_startup_trials=5) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("n", [0, 12], ids=["random", "tpe"])
def test_slots_and_study_seeds_give_different_proposals(ledger, n):
    fill(ledger, n)
    none = PolicyDocument.of("none").key()  # without parameters, so it would come up more than once
    found = {
        sampled_proposal(ledger.trials(), FakeSpace(), seed=seed, slot=slot, n_startup_trials=5, known_keys={none}).key
        for seed in (0, 1)
        for slot in (20, 21, 22)
    }
    assert len(found) == 6


def test_tpe_learns_from_the_history(ledger):
    fill(ledger, 40)
    later = [trial.params for trial in ledger.trials()[10:]]
    alphas = [params["alpha.cutmix"] for params in later if params["mixer"] == "cutmix"]
    assert len(alphas) > len(later) / 2  # of three methods
    assert median(alphas) < 0.7  # of a range from 0.1 to 2


def test_a_proposal_writes_nothing_to_the_study(ledger):
    fill(ledger, 6)
    sampled_proposal(ledger.trials(), FakeSpace(), seed=0, slot=6, n_startup_trials=5)
    assert len(ledger.trials()) == 6


def test_known_policies_are_avoided(ledger):
    none = PolicyDocument.of("none").key()
    plain = [sampled_proposal([], FakeSpace(), seed=0, slot=slot, n_startup_trials=5).key for slot in range(20)]
    assert none in plain
    for slot in range(20):
        kwargs = {"seed": 0, "slot": slot, "n_startup_trials": 5, "known_keys": {none}}
        assert sampled_proposal([], FakeSpace(), **kwargs).key != none


def test_a_space_that_is_used_up_still_gives_a_proposal():
    class One(FakeSpace):
        def suggest(self, trial):
            trial.suggest_categorical("mixer", ["none"])
            return PolicyDocument.of("none")

    none = PolicyDocument.of("none").key()
    assert sampled_proposal([], One(), seed=0, slot=0, n_startup_trials=5, known_keys={none}).key == none


def test_no_warning_of_optuna_gets_out(ledger, recwarn):
    fill(ledger, 7)
    assert not recwarn.list


def test_an_arm_in_the_space_has_parameters_that_tpe_learns_from():
    proposal = arm_proposal("cutmix", PolicyDocument.of("cutmix", alpha=1.0), FakeSpace())
    assert proposal.params == {"mixer": "cutmix", "alpha.cutmix": 1.0}
    assert set(proposal.distributions) == set(proposal.params)
    assert proposal.arm == "cutmix"


def test_an_arm_outside_the_space_has_none():
    proposal = arm_proposal("special", PolicyDocument.of("gridmix", cells=4), FakeSpace())
    assert proposal.params == {}
    assert proposal.policy == PolicyDocument.of("gridmix", cells=4).to_dict()


def test_an_arm_that_the_space_would_change_is_kept_as_it_is():
    class Rounding(FakeSpace):
        def encode(self, document):
            return {"mixer": "cutmix", "alpha.cutmix": 0.5}

    proposal = arm_proposal("cutmix", PolicyDocument.of("cutmix", alpha=1.0), Rounding())
    assert proposal.params == {}
    assert proposal.key == PolicyDocument.of("cutmix", alpha=1.0).key()
