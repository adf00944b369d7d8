"""Hundreds of kills on real storage, recovery and checkpoints; the training is a chain of hashes (`faults_study`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faults_study
import pytest
from faults_study import Life, digest_of, live, report_of
from mlflow import MlflowClient

from automix.policy import PolicyDocument
from automix.search import Ledger, SlotRecord, SlotState, StudyFolder
from automix.storage import Store, optuna_storage
from automix.tracking import keys, tracking_uri

pytestmark = pytest.mark.slow

SEED = 20261123
_OF_A_START = {"lease", "mlflow_run", "traceback"}
"""Attributes that say who did it and when; a traceback quotes the source as it is when something is raised."""


def ledger_of(work: Path, name: str) -> Ledger:
    return Ledger(optuna_storage(work / "optuna.db"), name)


def table(work: Path, name: str) -> list[tuple[Any, ...]]:
    """Everything that Optuna's storage knows of a study, but for times and who did it."""
    return [
        (
            trial.number,
            trial.state,
            trial.values,
            trial.params,
            trial.distributions,
            trial.intermediate_values,
            {name: value for name, value in trial.user_attrs.items() if name not in _OF_A_START},
            trial.system_attrs,
        )
        for trial in ledger_of(work, name).trials()
    ]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """The trial table of a search that nobody disturbed."""
    work = tmp_path_factory.mktemp("calm")
    assert live(Life(name="calm", work=work, n_workers=1)) == "complete"
    return table(work, "calm")


def alone(slot: SlotRecord) -> Iterator[dict[str, float]]:
    """The rows that the slot's policy has when it is trained alone."""
    document = PolicyDocument.from_dict(slot.proposal.policy)
    for epoch in range(1, len(slot.curve) + 1):
        report = report_of(document, epoch, digest_of(document, faults_study.SEARCH_SEED, epoch))
        yield {**report.metrics, "seconds": report.seconds}


def assert_every_slot_has_its_result(work: Path, name: str) -> None:
    ledger = ledger_of(work, name)
    settled = [trial.user_attrs["slot"] for trial in ledger.trials() if trial.state.is_finished()]
    assert sorted(settled) == list(range(faults_study.N_TRIALS))
    for slot in ledger.slots().values():
        if slot.proposal.arm == "raises":
            assert (slot.state, slot.error) == (SlotState.FAILED, "RuntimeError: this method is broken")
            continue
        assert len(slot.curve) == (2 if slot.state is SlotState.PRUNED else faults_study.N_EPOCHS)
        assert list(slot.curve) == list(alone(slot))


def assert_nothing_is_left_over(work: Path, name: str) -> None:
    folder = StudyFolder(work, name)
    assert not list(folder.path.rglob("state.pt"))
    store = Store(work / "automix.db")
    assert [row.slot for row in store.results(name)] == list(range(faults_study.N_TRIALS))
    store.close()


def assert_mlflow_shows_all(work: Path, name: str) -> None:
    client = MlflowClient(tracking_uri=tracking_uri(work))
    experiment = client.get_experiment_by_name("fake")
    runs = client.search_runs([experiment.experiment_id], f"tags.`{keys.STUDY}` = '{name}'")
    children = {int(run.data.tags[keys.SLOT]): run for run in runs if keys.SLOT in run.data.tags}
    slots = ledger_of(work, name).slots()
    assert len(runs) == 1 + len(slots)
    for number, slot in slots.items():
        run = children[number]
        assert run.info.status == ("FAILED" if slot.state is SlotState.FAILED else "FINISHED")
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, keys.VAL_TOP1)]
        assert steps == list(range(1, len(slot.curve) + 1))
        if slot.curve:
            assert run.data.metrics[keys.BEST_TOP1] == max(row[keys.VAL_TOP1] for row in slot.curve)


def test_with_one_worker_the_trial_table_is_that_of_an_undisturbed_search(
    campaign: Callable[..., Any], calm: list[tuple[Any, ...]]
) -> None:
    report = campaign(n_kills=120, n_workers=1, seed=SEED, has_mlflow=True)
    assert report.n_kills >= 120
    for work, name in report.studies:
        assert table(work, name) == calm
        assert_every_slot_has_its_result(work, name)
        assert_nothing_is_left_over(work, name)
        assert_mlflow_shows_all(work, name)


def test_with_three_workers_every_slot_has_one_result_and_it_is_that_of_its_policy_alone(
    campaign: Callable[..., Any],
) -> None:
    report = campaign(n_kills=100, n_workers=3, seed=SEED + 1)
    assert report.n_kills >= 100
    for work, name in report.studies:
        assert_every_slot_has_its_result(work, name)
        assert_nothing_is_left_over(work, name)


def test_databases_that_a_kill_left_half_made_are_made(campaign: Callable[..., Any]) -> None:
    report = campaign(n_kills=30, n_workers=2, seed=SEED + 2, is_fresh=True)
    assert report.n_kills >= 30
    for work, name in report.studies:
        assert_every_slot_has_its_result(work, name)
        assert_nothing_is_left_over(work, name)


def test_the_confirm_stage_trains_every_policy_on_every_seed_once(campaign: Callable[..., Any]) -> None:
    report = campaign(n_kills=50, n_workers=2, seed=SEED + 3, is_confirm=True)
    assert report.n_kills >= 50
    for work, name in report.studies:
        for one in faults_study.stage_of().rounds(StudyFolder(work, name)):
            document = PolicyDocument.from_dict(one.entrant.policy)
            digest = digest_of(document, one.seed, faults_study.N_EPOCHS)
            last = report_of(document, faults_study.N_EPOCHS, digest).metrics
            assert one.result() == faults_study.confirmed(document, last)
            assert one.model_file.exists()
            assert not one.checkpoint.exists()
    assert Counter(name for _, name in report.studies).most_common(1)[0][1] == 1
