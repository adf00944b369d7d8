"""What a search will cost: from a probe, by method, corrected by what trials took, kept beside the truth."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from search_fakes import make_config

from automix.data import open_data
from automix.manager import build_host
from automix.policy import PolicyDocument
from automix.search.account import Account, load_account, save_account
from automix.search.cost import ZERO, Cost, Meter, mean_cost
from automix.search.estimate import Estimator
from automix.search.ledger import Proposal, SlotRecord, SlotState
from automix.search.probe import MethodCost, Probe, measure
from automix.training.settings import TrainSettings

NOTHING = Cost(0.0, 0.0)


def method(epoch_s: float) -> MethodCost:
    return MethodCost(setup=NOTHING, train=Cost(0.8 * epoch_s, 2 * 0.8 * epoch_s), judge=Cost(0.2 * epoch_s, 0.0))


PROBE = Probe(start=NOTHING, methods={"none": method(10), "mixup": method(11), "cutmix": method(12)})


def estimator(tmp_path, probe: Probe = PROBE, n_workers: int = 2, n_trainings: int = 0, **changes: Any) -> Estimator:
    return Estimator(make_config("s", tmp_path, **changes), probe, n_workers=n_workers, n_trainings=n_trainings)


def slot(number: int, mixer: str, epoch_s: float, n_epochs: int = 4, arm: str = "", **changes: Any) -> SlotRecord:
    document = PolicyDocument.of(mixer)
    proposal = Proposal(policy=document.to_dict(), key=f"{mixer}{number}", title=mixer, arm=arm)
    curve = tuple({"seconds": epoch_s, "val/top1": 0.5} for _ in range(n_epochs))
    record = SlotRecord(slot=number, trial=number, proposal=proposal, state=SlotState.COMPLETE, curve=curve)
    return replace(record, **changes)


def test_costs_add_up_and_never_fall_below_zero():
    assert Cost(1, 2) + 2 * Cost(3, 4) == Cost(7, 10)
    assert Cost(1, 5) - Cost(2, 1) == Cost(0, 4)
    assert mean_cost([]) == ZERO
    assert Cost(6, 6).shared(3) == Cost(2, 6)


def test_meter_counts_the_processor_time_of_children_also_where_the_block_raises():
    meter = Meter()
    burn = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    with pytest.raises(ValueError), meter.running():
        subprocess.run([sys.executable, "-c", burn], check=True)
        raise ValueError
    assert meter.cost.cpu_s > 0.25
    assert meter.cost.wall_s >= 0.3


def test_arms_cost_what_their_methods_do_and_others_the_average(tmp_path):
    # Arms none and cutmix, then six proposals, each expected to be trained for 85 % of its epochs; 4 epochs each.
    estimate = estimator(tmp_path).estimate()
    expected = 40 + 48 + 6 * 0.85 * 44
    assert estimate.n_trials == 8
    assert estimate.search.wall_s == pytest.approx(expected / 2)
    assert estimate.by_method["mixup"].wall_s == pytest.approx(44)
    assert estimate.overhead["mixup"] == pytest.approx(0.1, abs=1e-6)
    assert estimate.total == estimate.search


def test_workers_load_once_and_keep_books_for_every_epoch_of_a_search_but_not_on_fresh_seeds(tmp_path):
    probe = replace(PROBE, start=Cost(1.0, 1.0))
    before, with_start = (estimator(tmp_path, one, n_trainings=2).estimate() for one in (PROBE, probe))
    books = (2 + 6 * 0.85) * (0.03 + 4 * 0.008)
    assert with_start.search.cpu_s - before.search.cpu_s == pytest.approx(2 * 1.95 + books)
    assert with_start.confirm.cpu_s - before.confirm.cpu_s == pytest.approx(2 * 1.0)
    running = estimator(tmp_path, probe).estimate(is_running=True)
    assert running.search.cpu_s == pytest.approx(with_start.search.cpu_s - 2 * 1.95)


def test_policy_of_two_methods_costs_their_average_and_an_unknown_method_as_the_others(tmp_path):
    both = PolicyDocument.of("none").to_dict() | {
        "branches": [{"mixer": {"name": name}, "weight": 0.5} for name in ("none", "cutmix")]
    }
    one, two, three = (
        estimator(tmp_path, arms=(), n_trials=1).estimate(
            {0: slot(0, "none", 0.0, 0, state=SlotState.RUNNING, proposal=p)}
        )
        for p in (
            Proposal(policy=both, key="a", title="a"),
            Proposal(policy=PolicyDocument.of("mixup").to_dict(), key="b", title="b"),
            Proposal(policy=PolicyDocument.of("unheard_of").to_dict(), key="c", title="c"),
        )
    )
    assert one.search.wall_s == pytest.approx(two.search.wall_s) == pytest.approx(three.search.wall_s)


def test_trials_with_a_share_of_the_images_cost_less_and_trainings_on_fresh_seeds_do_not(tmp_path):
    whole = estimator(tmp_path, n_trainings=6).estimate()
    part = estimator(tmp_path, n_trainings=6, fidelity={"axis": "images", "share": 0.5}).estimate()
    assert part.by_method["none"].wall_s == pytest.approx(4 * (0.5 * 8 + 2))
    assert part.confirm == whole.confirm
    assert whole.confirm.wall_s == pytest.approx(3 * 44)


def test_what_trials_took_corrects_their_method_and_a_little_the_others(tmp_path):
    before = estimator(tmp_path).estimate()
    twice = {0: slot(0, "none", 20.0, arm="none"), 1: slot(1, "cutmix", 12.0, arm="cutmix")}
    after = estimator(tmp_path).estimate(twice)
    slower = {name: after.by_method[name].wall_s / before.by_method[name].wall_s for name in before.by_method}
    assert slower["cutmix"] < slower["mixup"] < slower["none"]
    assert slower["none"] > 1.5
    assert after.n_trials == 6


def test_pruned_and_copied_trials_lower_what_is_expected_of_proposals(tmp_path):
    def left(*changes: dict[str, Any]) -> float:
        slots = {i: slot(i, "mixup", 11.0, **change) for i, change in enumerate(changes, start=2)}
        return estimator(tmp_path).estimate(slots).search.wall_s

    whole = left({}, {}, {})
    assert left({"n_epochs": 2, "state": SlotState.PRUNED}, {}, {}) < whole
    assert left({"copied_from": 1}, {}, {}) < left({"n_epochs": 2, "state": SlotState.PRUNED}, {}, {})


def test_running_trial_counts_by_the_epochs_it_still_has(tmp_path):
    done = {number: slot(number, "none", 10.0) for number in range(8)}
    running = done | {3: slot(3, "none", 10.0, n_epochs=3, state=SlotState.RUNNING)}
    assert estimator(tmp_path).estimate(done).n_trials == 0
    assert estimator(tmp_path).estimate(done).total == ZERO
    left = estimator(tmp_path).estimate(running)
    assert left.search.wall_s == pytest.approx(10.0)


def test_budget_holds_the_trials_that_the_trainings_leave_room_for(tmp_path):
    estimate = estimator(tmp_path, n_trainings=6).estimate()
    assert estimate.fitting(1e6) == 8
    assert estimate.fitting(estimate.confirm.wall_s) == 0
    assert estimate.fitting(0.0) == 0
    assert estimate.fitting(estimate.confirm.wall_s + estimate.search.wall_s / 2) == 4


def test_account_is_read_as_it_was_written_and_estimates_again(tmp_path, folder):
    assert load_account(folder) is None
    mine = estimator(tmp_path, n_trainings=4)
    account = Account.of(mine, {})
    save_account(folder, account)
    assert load_account(folder) == account
    closed = account.closed(Cost(1.5, 2.5), is_whole=True)
    save_account(folder, closed)
    values = json.loads(folder.account_file.read_text())
    assert {"trial_s", "total_s", "corrected_s", "actual_s"} <= values.keys()
    assert (values["actual_s"], values["actual_cpu_s"], values["corrected_s"]) == (1.5, 2.5, None)
    again = closed.estimator(make_config("s", tmp_path))
    assert again.estimate() == mine.estimate()


@pytest.mark.parametrize(
    "text", ["", "{}", '{"format": "automix.estimate/9"}', '{"format": "automix.estimate/1", "x": 1}']
)
def test_account_of_another_version_is_none(folder, text):
    folder.account_file.write_text(text)
    assert load_account(folder) is None


def test_probe_measures_every_method_and_a_long_training_costs_more(tmp_path):
    data = open_data("digits", work=tmp_path, limit=200)
    costs = measure(
        data, TrainSettings(epochs=10, device="cpu"), build_host().registry, {"mixup": PolicyDocument.of("mixup")}
    )
    assert "none" in costs
    assert set(costs) <= {"none", "mixup"}  # as many as 20 seconds hold, on a machine that does other things, too
    assert costs["none"].train.cpu_s > costs["none"].judge.cpu_s > 0
    ten, hundred = (costs["none"].trial(n).cpu_s for n in (10, 100))
    assert 2 < hundred / ten <= 10
