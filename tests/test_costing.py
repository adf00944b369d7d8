"""What a planned search costs, measured in a process like a worker's, and its account while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from automix.costing import Books, measure_cost
from automix.errors import StudyError
from automix.policy import PolicyDocument
from automix.search.account import load_account
from automix.search.cost import Cost
from automix.search.estimate import Estimator
from automix.search.folder import StudyFolder
from automix.search.launch import Machine
from automix.search.probe import MethodCost, Probe, run_probe
from automix.search.progress import Progress

PROBE = Probe(start=Cost(), methods={"none": MethodCost(Cost(), train=Cost(1.0, 1.0), judge=Cost())})


@pytest.fixture
def plan(make_plan: Callable[..., Any]) -> Any:
    return make_plan(epochs=2, confirm=0, trials=6, name="costing")


def test_account_is_opened_when_the_search_runs_corrected_at_half_and_closed_with_what_it_took(plan: Any) -> None:
    folder = StudyFolder(plan.work, plan.config.name)
    heard: list[Progress] = []
    books = Books(plan, Estimator(plan.config, PROBE, n_workers=1), heard.append)
    assert load_account(folder) is None  # the study's lock is not ours yet

    def follow(n_settled: int, elapsed_s: float) -> Any:
        settled = tuple(_Settled() for _ in range(n_settled))
        progress: Any = Progress(study="s", n_trials=6, n_epochs=2, slots=settled, eta_s=10.0, elapsed_s=elapsed_s)  # type: ignore[arg-type]
        books.follow(progress)
        account = load_account(folder)
        assert account is not None
        return account.corrected_s

    assert [follow(0, 0.0), follow(2, 4.0), follow(3, 6.0), follow(5, 9.0)] == [None, None, 16.0, 16.0]
    assert len(heard) == 4
    books.add(Cost(3.0, 4.0), is_whole=False)
    books.add(Cost(1.0, 1.0), is_whole=True)
    account = load_account(folder)
    assert account is not None
    assert (account.actual_s, account.actual_cpu_s, account.is_whole) == (4.0, 5.0, True)


class _Settled:
    is_settled = True


def test_without_an_estimate_nothing_is_kept_and_the_search_is_still_told(plan: Any) -> None:
    heard: list[Progress] = []
    books = Books(plan, None, heard.append)
    books.follow(Progress(study="s", n_trials=6, n_epochs=2, slots=()))
    books.add(Cost(1.0, 1.0), is_whole=True)
    assert len(heard) == 1


@pytest.mark.slow
def test_every_method_of_the_space_is_measured(plan: Any) -> None:
    estimator = measure_cost(plan)
    assert estimator is not None
    assert set(estimator.estimate().by_method) == set(plan.space.mixers)
    assert estimator.estimate().n_trials == 6


@pytest.mark.slow
def test_probe_runs_as_a_worker_does_and_says_in_one_line_what_cannot_be_trained(plan: Any) -> None:
    machine = Machine(n_workers=1, n_cores=1)
    probe = run_probe(plan.config, plan.work, machine, {"cutmix": PolicyDocument.of("cutmix")})
    assert set(probe.methods) == {"none", "cutmix"}
    assert probe.start.cpu_s > 0.1
    wrong = replace(plan.config, settings={**plan.config.settings, "model": "no_such_model"})
    with pytest.raises(StudyError, match=r"cannot be started: Unknown model 'no_such_model'") as caught:
        run_probe(wrong, plan.work, machine, {})
    assert "\n" not in str(caught.value)
