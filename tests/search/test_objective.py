"""One slot: its epochs, its end, and what goes wrong in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.exceptions import StorageInternalError
from search_fakes import FakeSpace, fake_train, metrics_of

from automix.errors import StorageError
from automix.goal import GOALS
from automix.policy import PolicyDocument
from automix.search.ledger import SlotState
from automix.search.sampler import arm_proposal

POLICIES = {"none": {}, "mixup": {"alpha": 1.0}, "cutmix": {"alpha": 1.0}, "raises": {}}


@pytest.fixture
def lease_of(make_desk):
    """Take the next slot with a policy."""

    def take(mixer, *, arm="", **params):
        document = PolicyDocument.of(mixer, **(params or POLICIES[mixer]))
        proposal = replace(arm_proposal("", document, FakeSpace()), arm=arm)
        return make_desk(100, lambda slot, slots: proposal).take()

    return take


def run(objective, lease):
    outcome = objective.run(lease)
    lease.release()
    return outcome


def test_a_slot_is_trained_recorded_and_told(objective, lease_of, ledger, host, tracker):
    assert run(objective, lease_of("mixup")) == "settled"
    [record] = ledger.slots().values()
    assert record.state is SlotState.COMPLETE
    assert [row["val/top1"] for row in record.curve] == [
        metrics_of(PolicyDocument.of("mixup", alpha=1.0), epoch)["val/top1"] for epoch in range(1, 5)
    ]
    names = [name for name, _ in host.told]
    assert names == ["automix_trial_started", *["automix_epoch_finished"] * 4, "automix_trial_finished"]
    assert tracker.epochs == [("run-0", epoch) for epoch in range(1, 5)]
    assert tracker.params["run-0"] == {"mixer": "mixup", "alpha.mixup": 1.0}
    assert tracker.texts["run-0"][0] == "policy.yaml"
    state, metrics = tracker.finished["run-0"]
    assert state == "complete"
    assert metrics["best/val_top1"] == record.curve[3]["val/top1"]
    assert metrics["best/epoch"] == 4
    assert metrics["cost/total_s"] == record.seconds


def test_what_a_trial_raises_is_recorded_with_its_place_and_the_next_one_runs(
    objective, lease_of, ledger, host, tracker
):
    assert run(objective, lease_of("raises")) == "settled"
    assert run(objective, lease_of("none")) == "settled"
    failed, fine = ledger.slots().values()
    assert (failed.state, failed.error) == (SlotState.FAILED, "RuntimeError: this method is broken")
    assert "fake_train" in ledger.trials()[0].user_attrs["traceback"]
    assert fine.state is SlotState.COMPLETE
    assert [event.error for name, event in host.told if name == "automix_trial_failed"] == [failed.error]
    assert tracker.finished["run-0"][0] == "failed"


def test_a_method_that_calls_exit_fails_like_any_other(objective, lease_of, ledger):
    def train(document, **kwargs):
        raise SystemExit(0)

    assert run(replace(objective, train=train), lease_of("none")) == "settled"
    assert ledger.slots()[0].error == "SystemExit: 0"


def test_every_run_has_a_method_also_outside_the_space(objective, make_desk, tracker):
    branches = [{"mixer": {"name": name}} for name in ("cutmix", "mixup", "cutmix")]
    document = PolicyDocument.from_dict({"schema": "automix.policy/1", "branches": branches})
    proposal = replace(arm_proposal("", PolicyDocument.of("none"), FakeSpace()), policy=document.to_dict())
    proposal = replace(proposal, params={}, distributions={})
    run(objective, make_desk(1, lambda slot, slots: proposal).take())
    assert tracker.params["run-0"] == {"mixer": "cutmix+mixup"}


def test_an_ill_cuda_process_asks_to_be_replaced(objective, lease_of):
    def train(document, **kwargs):
        raise RuntimeError("CUDA error: device-side assert triggered")

    assert run(replace(objective, train=train), lease_of("none")) == "broken"


@pytest.mark.parametrize(
    "error",
    [StorageError("no space left"), StorageInternalError("database is full"), OSError(28, "No space left on device")],
)
def test_a_full_disk_is_not_the_trials_fault(objective, lease_of, ledger, error):
    def train(document, **kwargs):
        raise error

    with pytest.raises((StorageError, StorageInternalError)):
        replace(objective, train=train).run(lease_of("none"))
    assert ledger.slots()[0].state is SlotState.RUNNING


def test_a_stop_leaves_the_slot_to_go_on_from_its_epoch(objective, lease_of, ledger, tracker):
    assert run(replace(objective, should_stop=lambda: True), lease_of("mixup")) == "stopped"
    assert (ledger.slots()[0].state, len(ledger.slots()[0].curve)) == (SlotState.RUNNING, 1)
    assert run(objective, lease_of("mixup")) == "settled"
    assert (ledger.slots()[0].state, len(ledger.slots()[0].curve)) == (SlotState.COMPLETE, 4)
    assert tracker.epochs == [("run-0", epoch) for epoch in range(1, 5)]


def test_an_epoch_that_a_kill_made_repeat_is_in_the_book_once(objective, lease_of, ledger, folder):
    def die_before_saving(document, **kwargs):
        def on_epoch(report):
            kwargs["on_epoch"](report)
            if report.epoch == 2:
                raise KeyboardInterrupt
            return "continue"

        return fake_train(document, **{**kwargs, "on_epoch": on_epoch}, epoch_s=0)

    lease = lease_of("mixup")
    with pytest.raises(KeyboardInterrupt):
        replace(objective, train=die_before_saving).run(lease)
    lease.release()
    assert len(ledger.slots()[0].curve) == 2
    assert (folder.checkpoint(0) / "state.json").read_text() == "1"
    assert run(objective, lease_of("mixup")) == "settled"
    assert len(ledger.slots()[0].curve) == 4


def test_a_worker_that_lost_its_lease_writes_nothing_more(objective, lease_of, ledger, folder):
    lease = lease_of("mixup")
    (folder.slot(0) / "lock").write_text("attempt 2, process 1")
    assert run(objective, lease) == "lost"
    assert ledger.slots()[0].curve == ()
    assert ledger.slots()[0].state is SlotState.RUNNING


def test_equal_policies_are_trained_once(objective, lease_of, ledger, host):
    trained = []

    def train(document, **kwargs):
        trained.append(document.key())
        return fake_train(document, **kwargs, epoch_s=0)

    for _ in range(3):
        assert run(replace(objective, train=train), lease_of("mixup")) == "settled"
    first, *others = ledger.slots().values()
    assert len(trained) == 1
    assert [(other.state, other.copied_from, other.curve) for other in others] == [
        (SlotState.COMPLETE, 0, first.curve)
    ] * 2
    assert [trial.value for trial in ledger.trials()] == [first.metrics["val/top1"]] * 3
    assert [name for name, _ in host.told].count("automix_trial_finished") == 3


def test_a_failed_equal_policy_is_tried_again(objective, lease_of, ledger):
    run(objective, lease_of("raises"))
    run(objective, lease_of("raises"))
    assert [slot.copied_from for slot in ledger.slots().values()] == [None, None]


def finish_good_ones(objective, lease_of):
    for i in range(5):
        run(objective, lease_of("cutmix", alpha=1.0 + i / 100))


def test_a_hopeless_trial_is_pruned_after_half_of_the_epochs(objective, lease_of, ledger, tracker):
    finish_good_ones(objective, lease_of)
    assert run(objective, lease_of("mixup")) == "settled"
    record = ledger.slots()[5]
    assert (record.state, len(record.curve)) == (SlotState.PRUNED, 2)
    assert tracker.finished["run-5"][0] == "pruned"


def test_mixing_policies_do_not_prune_one_that_does_not_mix(objective, lease_of, ledger):
    finish_good_ones(objective, lease_of)
    assert run(objective, lease_of("none")) == "settled"
    assert ledger.slots()[5].state is SlotState.COMPLETE


def test_the_goal_of_the_study_prunes(objective, lease_of, ledger):
    finish_good_ones(objective, lease_of)
    run(replace(objective, goal=GOALS["images_per_s"]), lease_of("mixup"))
    assert ledger.slots()[5].state is SlotState.COMPLETE  # as quick as all others, which is not behind


def test_a_reference_arm_is_never_pruned(objective, lease_of, ledger):
    finish_good_ones(objective, lease_of)
    run(objective, lease_of("mixup", arm="mixup"))
    assert ledger.slots()[5].state is SlotState.COMPLETE


def test_a_reference_arm_is_trained_where_only_a_pruned_twin_is_known(objective, lease_of, ledger):
    finish_good_ones(objective, lease_of)
    run(objective, lease_of("mixup"))
    run(objective, lease_of("mixup"))
    run(objective, lease_of("mixup", arm="mixup"))
    pruned, copy, arm = (ledger.slots()[slot] for slot in (5, 6, 7))
    assert (copy.state, copy.copied_from) == (SlotState.PRUNED, pruned.slot)
    assert (arm.state, arm.copied_from, len(arm.curve)) == (SlotState.COMPLETE, None, 4)


def test_fitted_statistics_are_kept_beside_the_proposal(objective, lease_of, ledger):
    def train(document, **kwargs):
        result = fake_train(document, **kwargs, epoch_s=0)
        result.document = document.model_copy(update={"label_smoothing": 0.5})
        return result

    run(replace(objective, train=train), lease_of("mixup"))
    record = ledger.slots()[0]
    assert "label_smoothing" not in record.proposal.policy
    assert record.document["label_smoothing"] == 0.5


def test_a_listener_that_complains_ends_nothing(objective, lease_of, ledger, caplog):
    class Complaining:
        def notify(self, hook_name, event):
            return [f"{hook_name} raised"]

    assert run(replace(objective, host=Complaining()), lease_of("mixup")) == "settled"
    assert "automix_epoch_finished raised" in caplog.text
