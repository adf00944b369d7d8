"""The book of slots: what is written is read back, and every kind of end is told apart."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState
from search_fakes import FakeSpace

from automix.errors import StudyError
from automix.policy import PolicyDocument
from automix.search.ledger import Ledger, Proposal, SlotState
from automix.search.sampler import arm_proposal
from automix.storage import optuna_storage

CURVE = [{"val/top1": 0.5, "val/logloss": 1.0, "seconds": 2.0}, {"val/top1": 0.75, "val/logloss": 0.5, "seconds": 3.0}]


@pytest.fixture
def proposal() -> Proposal:
    return arm_proposal("cutmix", PolicyDocument.of("cutmix", alpha=1.0), FakeSpace())


def test_an_opened_slot_is_running_with_all_that_is_known(ledger, proposal):
    ledger.open(3, proposal, worker=17)
    [record] = ledger.slots().values()
    assert (record.slot, record.state, record.attempt, record.worker) == (3, SlotState.RUNNING, 1, 17)
    assert record.proposal == proposal
    assert not record.is_settled
    assert record.metrics == {}


def test_epochs_are_kept_and_reported(ledger, proposal):
    record = ledger.open(0, proposal, worker=1)
    record = ledger.add_epochs(record, CURVE[:1])
    record = ledger.add_epochs(record, CURVE)
    [known] = ledger.slots().values()
    assert known.curve == record.curve == tuple(CURVE)
    assert known.seconds == 5.0
    assert ledger.trials()[0].intermediate_values == {1: 0.5, 2: 0.75}


def test_a_repeated_epoch_is_written_once(ledger, proposal):
    record = ledger.add_epochs(ledger.open(0, proposal, worker=1), CURVE)
    ledger.add_epochs(record, CURVE)
    assert ledger.slots()[0].curve == tuple(CURVE)
    assert ledger.trials()[0].intermediate_values == {1: 0.5, 2: 0.75}


def test_the_value_of_a_complete_slot_is_that_of_its_last_epoch(ledger, proposal):
    falling = [CURVE[1], CURVE[0]]
    ledger.complete(ledger.add_epochs(ledger.open(0, proposal, worker=1), falling))
    assert ledger.slots()[0].state is SlotState.COMPLETE
    assert ledger.trials()[0].value == 0.5


def test_pruned_is_not_failed(ledger, proposal):
    ledger.prune(ledger.add_epochs(ledger.open(0, proposal, worker=1), CURVE[:1]))
    [record] = ledger.slots().values()
    assert (record.state, record.is_settled, record.error) == (SlotState.PRUNED, True, "")


def test_a_failure_is_kept_with_its_error(ledger, proposal):
    ledger.fail(ledger.open(0, proposal, worker=1), "ValueError: no", "Traceback ...")
    [record] = ledger.slots().values()
    assert (record.state, record.error, record.is_settled) == (SlotState.FAILED, "ValueError: no", True)
    assert ledger.trials()[0].user_attrs["traceback"] == "Traceback ..."


def test_a_failure_without_an_error_came_from_outside_and_is_lost(ledger, proposal):
    record = ledger.open(0, proposal, worker=1)
    ledger.study.tell(record.trial, state=TrialState.FAIL)
    assert ledger.slots()[0].state is SlotState.LOST
    assert not ledger.slots()[0].is_settled


def test_a_running_slot_is_adopted_in_its_trial(ledger, proposal):
    left = ledger.add_epochs(ledger.open(0, proposal, worker=1), CURVE)
    ledger.adopt(ledger.slots()[0], worker=2)
    [record] = ledger.slots().values()
    assert (record.trial, record.attempt, record.worker, record.curve) == (left.trial, 2, 2, left.curve)
    assert len(ledger.trials()) == 1


def test_a_lost_slot_goes_on_in_a_new_trial_with_policy_and_curve(ledger, proposal):
    record = ledger.add_epochs(ledger.open(0, proposal, worker=1), CURVE)
    ledger.study.tell(record.trial, state=TrialState.FAIL)
    ledger.adopt(ledger.slots()[0], worker=2)
    [again] = ledger.slots().values()
    assert (again.trial, again.attempt, again.state) == (1, 2, SlotState.RUNNING)
    assert again.proposal == proposal
    assert again.curve == tuple(CURVE)
    assert ledger.trials()[1].intermediate_values == {1: 0.5, 2: 0.75}


def test_deaths_of_one_session_are_counted_until_an_epoch_is_finished(ledger, proposal):
    ledger.open(0, proposal, worker=1, session="a")
    assert ledger.adopt(ledger.slots()[0], worker=2, session="a").crashes == 1
    record = ledger.adopt(ledger.slots()[0], worker=3, session="a")
    assert record.crashes == ledger.slots()[0].crashes == 2
    ledger.add_epochs(record, CURVE[:1])
    assert ledger.slots()[0].crashes == 0
    assert ledger.adopt(ledger.slots()[0], worker=4, session="a").crashes == 1


def test_a_kill_of_everything_is_not_held_against_a_slot(ledger, proposal):
    ledger.open(0, proposal, worker=1, session="a")
    for session in "bcde":
        assert ledger.adopt(ledger.slots()[0], worker=2, session=session).crashes == 0


def test_trials_made_elsewhere_are_closed_when_unfinished_and_never_taken_for_slots(ledger, proposal):
    ledger.open(0, proposal, worker=1)
    ledger.study.ask()
    ledger.study.enqueue_trial({"mixer": "none"})
    assert ledger.close_strays() == 2
    assert ledger.close_strays() == 0
    assert [trial.state for trial in ledger.trials()] == [TrialState.RUNNING, TrialState.FAIL, TrialState.FAIL]
    assert list(ledger.slots()) == [0]


def test_an_unknown_study_is_named(folder):
    with pytest.raises(StudyError, match="no study 'other'"):
        Ledger(optuna_storage(folder.optuna_file), "other")


def test_opening_says_nothing_and_leaves_optunas_verbosity(folder, capfd):
    before = optuna.logging.get_verbosity()
    Ledger(optuna_storage(folder.optuna_file), "study", create=True)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def test_a_policy_that_failed_teaches_the_sampler_as_the_worst_that_finished(ledger, proposal):
    good, bad = (ledger.open(slot, proposal, worker=1) for slot in (0, 1))
    ledger.fail(bad, "The loss became nan.")
    assert [trial.state for trial in ledger.lessons()] == [TrialState.RUNNING, TrialState.FAIL]
    ledger.complete(ledger.add_epochs(good, CURVE))
    seen = ledger.lessons()
    assert [(trial.state, trial.value) for trial in seen] == [(TrialState.COMPLETE, 0.75)] * 2
    assert seen[1].user_attrs["policy"] == proposal.policy
    assert ledger.slots()[1].state is SlotState.FAILED


def test_notes_of_a_trial_are_kept_once_and_go_along_with_its_slot(ledger, proposal):
    record = ledger.add_notes(ledger.open(0, proposal, worker=1), ["odd"])
    record = ledger.add_notes(record, ["odd", "odder"])
    assert ledger.slots()[0].notes == record.notes == ("odd", "odder")
    ledger.study.tell(record.trial, state=TrialState.FAIL)
    again = ledger.adopt(ledger.slots()[0], worker=2)
    assert (again.trial, ledger.slots()[0].notes) == (1, ("odd", "odder"))
