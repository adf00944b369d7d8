"""Every slot is handed out once, and one that was left behind is handed on."""

from __future__ import annotations

import os

import pytest
from optuna.trial import TrialState
from search_fakes import FakeSpace

from automix.policy import PolicyDocument
from automix.search.ledger import SlotState
from automix.search.sampler import arm_proposal
from automix.search.slots import MAX_CRASHES
from automix.training.failures import StaleAttempt

ROW = {"val/top1": 0.5, "val/logloss": 1.0, "seconds": 1.0}


def propose(slot, slots):
    return arm_proposal(f"arm-{slot}", PolicyDocument.of("cutmix", alpha=0.5 + slot / 10), FakeSpace())


@pytest.fixture
def desk(make_desk):
    return make_desk(3, propose)


def finish(ledger, lease):
    ledger.complete(ledger.add_epochs(lease.record, [ROW]))
    lease.release()


def test_slots_are_handed_out_in_order_and_once(desk, ledger):
    leases = [desk.take() for _ in range(3)]
    assert [lease.record.slot for lease in leases] == [0, 1, 2]
    assert desk.take() is None
    assert not desk.is_done()
    for lease in leases:
        finish(ledger, lease)
    assert desk.take() is None
    assert desk.is_done()
    assert len(ledger.trials()) == 3


def test_a_slot_whose_worker_is_gone_is_adopted_before_new_ones(desk, ledger):
    desk.take().release()
    lease = desk.take()
    assert (lease.record.slot, lease.record.attempt, lease.record.worker) == (0, 2, os.getpid())
    assert len(ledger.trials()) == 1


def test_a_slot_lost_to_the_outside_is_run_again_and_others_are_not(desk, ledger):
    lost, failed = desk.take(), desk.take()
    ledger.study.tell(lost.record.trial, state=TrialState.FAIL)
    ledger.fail(failed.record, "ValueError: no")
    lost.release()
    failed.release()
    assert desk.take().record.slot == 0
    assert desk.take().record.slot == 2
    assert ledger.slots()[1].state is SlotState.FAILED


def test_a_slot_that_is_settled_while_the_desk_looks_is_not_handed_out_again(ledger, desk, make_desk):
    lease = desk.take()

    class Late:
        """Answers the first look as the study stood before the slot was settled."""

        def __init__(self):
            self.before = ledger.slots()
            finish(ledger, lease)

        def slots(self):
            before, self.before = self.before, ledger.slots()
            return before

        def __getattr__(self, name):
            return getattr(ledger, name)

    assert make_desk(3, propose, ledger=Late()).take().record.slot == 1


def test_a_proposal_that_raises_leaves_the_slot_free(ledger, desk, make_desk):
    def broken(slot, slots):
        raise ValueError("no idea")

    with pytest.raises(ValueError, match="no idea"):
        make_desk(3, broken).take()
    assert ledger.trials() == []
    assert desk.take().record.slot == 0


def test_a_worker_that_lost_its_lease_is_told(desk, folder):
    lease = desk.take()
    lease.check()
    (folder.slot(0) / "lock").write_text("attempt 2, process 1")
    with pytest.raises(StaleAttempt, match="Slot 0"):
        lease.check()


def test_extending_hands_out_the_new_slots_only(ledger, desk, make_desk):
    for _ in range(3):
        finish(ledger, desk.take())
    more = make_desk(5, propose)
    assert [more.take().record.slot, more.take().record.slot] == [3, 4]


def test_a_slot_that_kills_its_workers_fails_and_the_next_one_is_handed_out(ledger, desk):
    for _ in range(MAX_CRASHES):
        lease = desk.take()
        assert lease.record.slot == 0
        lease.release()
    assert desk.take().record.slot == 1
    assert ledger.slots()[0].state is SlotState.FAILED
    assert ledger.slots()[0].error.startswith("Its worker died 3 times without finishing an epoch.")
