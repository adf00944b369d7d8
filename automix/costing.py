"""What a planned search will cost, measured before it starts; and its account, kept while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from automix.confirming import trainings
from automix.planning import SearchPlan
from automix.search.account import Account, save_account
from automix.search.cost import ZERO, Cost
from automix.search.estimate import Estimator
from automix.search.folder import StudyFolder
from automix.search.launch import Machine
from automix.search.ledger import SlotRecord
from automix.search.probe import NO_MIXING, run_probe
from automix.search.progress import Progress
from automix.search.reading import read_slots
from automix.search.rounds import ConfirmPlan

__all__ = ["Books", "known_slots", "machine_for", "measure_cost"]


def machine_for(plan: SearchPlan) -> Machine:
    """Describe the machine as this plan may use it."""
    # A device by number is used as it is; otherwise workers get one visible GPU each.
    n_devices = 0
    if plan.settings.device in ("auto", "cuda"):
        import torch

        n_devices = torch.cuda.device_count()
    return Machine.here(plan.request.workers, n_devices=n_devices)


def known_slots(plan: SearchPlan) -> dict[int, SlotRecord]:
    """Return the slots that earlier starts of the study have handed out."""
    folder = StudyFolder(plan.work, plan.config.name)
    return read_slots(folder) if folder.config_file.exists() and folder.optuna_file.exists() else {}


def measure_cost(plan: SearchPlan) -> Estimator | None:
    """Train every method for a few steps; None where nothing is left to be trained.

    Raises:
        StudyError: the model, the device or a method cannot be trained.
    """
    slots = known_slots(plan)
    settled = {slot for slot, record in slots.items() if record.is_settled} | {int(s) for s in plan.config.inherited}
    is_done = settled >= set(range(plan.config.n_trials))
    n_trainings = _trainings_left(plan, is_searched=is_done)
    if is_done and not n_trainings:
        return None
    machine = machine_for(plan)
    policies = {name: plan.space.defaults(name) for name in plan.space.mixers if name != NO_MIXING}
    probe = run_probe(plan.config, plan.work, machine, policies)
    return Estimator(plan.config, probe, n_workers=machine.n_workers, n_trainings=n_trainings)


def _trainings_left(plan: SearchPlan, *, is_searched: bool) -> int:
    """Count the trainings on fresh seeds: those that are named, where the search has named them, or at most so many."""
    folder = StudyFolder(plan.work, plan.config.name)
    try:
        stage = ConfirmPlan.load(folder)
    except FileNotFoundError:
        stage = ConfirmPlan((), ())
    if is_searched and len(stage.seeds) >= max(1, plan.confirm):
        return sum(one.result() is None for one in stage.rounds(folder))
    done = (folder.path / "confirm").glob("*/result.json")
    return max(0, trainings(plan) - len(list(done)))


class Books:
    """Keeps the account of a start of a search in the study's folder, while its lock is held.

    Args:
        plan: of the search.
        estimator: of the study; None where nothing was measured, and nothing is kept.
        listener: told how the search stands.
    """

    def __init__(self, plan: SearchPlan, estimator: Estimator | None, listener: Callable[[Progress], None]) -> None:
        self._folder = StudyFolder(plan.work, plan.config.name)
        self._listener = listener
        self._account = None if estimator is None else Account.of(estimator, known_slots(plan))
        self._n_before: int | None = None
        self._spent = ZERO

    def follow(self, progress: Progress) -> None:
        """Take in how the search stands: correct the estimate once half of the trials are done."""
        if self._account is not None:
            if self._n_before is None:
                self._n_before = progress.n_settled
                save_account(self._folder, self._account)
            n_done = progress.n_settled - self._n_before
            if self._account.corrected_s is None and progress.eta_s is not None and 2 * n_done >= progress.n_trials:
                self._account = replace(self._account, corrected_s=progress.elapsed_s + progress.eta_s)
                save_account(self._folder, self._account)
        self._listener(progress)

    def add(self, spent: Cost, *, is_whole: bool) -> None:
        """Write what was spent since the last call, and whether all of it is done now."""
        self._spent += spent
        if self._account is not None:
            self._account = self._account.closed(self._spent, is_whole=is_whole)
            save_account(self._folder, self._account)
