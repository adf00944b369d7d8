"""The bank keeps every trial, in few bytes, and makes policies and trials of Optuna from what it kept."""

from __future__ import annotations

import bench_banks
import pytest
from bench_banks import trained
from trials import TASKS
from trials_bank import DATA, Bank, Job

MIXUP = {"branches": 1, "mixer": "mixup", "prob.mixup": 0.8, "alpha.mixup": 0.4, "stop": 0.9}


def test_what_was_added_is_read_again(tmp_path):
    bank = bench_banks.bank(tmp_path / "a.jsonl.gz")
    some = [trained(0, arm="none"), trained(1, params=MIXUP), trained(1, params=MIXUP, seed=2), trained(1, images=0.25)]
    for one in some:
        bank.add(one)
    again = Bank.read(bank.path)
    assert again.header == bank.header
    assert list(again.trials) == [one.job for one in some]
    assert again.trials[Job(1)].params == MIXUP
    assert again.trials[Job(1)].top1 == pytest.approx(some[1].top1, abs=1e-4)


def test_a_file_is_replaced_as_a_whole(tmp_path):
    bank = bench_banks.bank(tmp_path / "a.jsonl.gz")
    bank.add(trained(0, arm="none"))
    before = bank.path.read_bytes()
    bank.add(trained(1, params=MIXUP))
    assert bank.path.read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl.gz"]


def test_full_trials_are_those_of_seed_0_at_the_whole_budget(tmp_path):
    bank = bench_banks.bank(
        tmp_path, trained(1), trained(0), trained(0, seed=1), trained(0, epochs=0.25), trained(0, images=0.25)
    )
    assert [one.job for one in bank.full()] == [Job(0), Job(1)]


def test_a_policy_is_that_of_its_arm_or_of_its_parameters(tmp_path):
    bank = bench_banks.bank(tmp_path, trained(0, arm="cutmix"), trained(1, params=MIXUP))
    space = bank.header.compose()
    assert bank.policy(0, space).branches[0].mixer.name == "cutmix"
    mixup = bank.policy(1, space)
    assert (mixup.branches[0].mixer.params["prob"], mixup.schedule.stop) == (0.8, 0.9)


def test_a_trial_of_optuna_has_its_parameters_and_its_last_accuracy(tmp_path):
    one = trained(1, params=MIXUP, top1=0.7)
    frozen = bench_banks.bank(tmp_path, one).frozen(one, bench_banks.header().compose())
    assert frozen.value == pytest.approx(0.7)
    assert frozen.params == MIXUP
    assert set(frozen.distributions) == set(MIXUP)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_kind_of_training_grows_alike_and_after_the_policy_it_repeats(task):
    due = sorted((share, job) for share, job in task.jobs())
    assert len({job for _, job in due}) == len(due)
    first = {job.policy: share for share, job in due if job.is_full and job.seed == 0}
    assert all(first[job.policy] <= share for share, job in due)
    assert max(share for share, _ in due) == 1.0


@pytest.mark.parametrize("path", sorted(DATA.glob("*.jsonl.gz")), ids=lambda path: path.name.partition(".")[0])
def test_the_committed_trials_are_small_and_those_of_a_task(path):
    assert path.stat().st_size < 300_000
    bank = Bank.read(path)
    known = {job for task in TASKS if task.name == bank.header.name for _, job in task.jobs()}
    assert set(bank.trials) <= known
    assert [one.arm for one in bank.full()][: len(bank.header.arms)] == list(bank.header.arms)
    lengths = {len(one.top1) for job, one in bank.trials.items() if job.is_full and one.top1}
    assert lengths == {bank.header.n_epochs}
