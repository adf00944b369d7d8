"""What a search will cost: said before anything starts, corrected while it runs, kept beside what it really took.

The probe knows what an epoch of each method costs (`automix.search.probe`). From it follow the slots that are named,
the reference arms, and what to expect of those that are not: a sampler proposes any method, and its trials may be
pruned or copied. Once trials have finished, what they took says how fast this machine is now, method by method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from automix.search.config import StudyConfig
from automix.search.cost import ZERO, Cost, mean_cost, total_cost
from automix.search.fidelity import Fidelity
from automix.search.ledger import SlotRecord
from automix.search.probe import NO_MIXING, Probe

__all__ = ["Estimate", "Estimator"]

# What a worker does beside training, in units of what the start of the probe cost, which is Python too: loading MLflow
# and the databases; per trial a proposal and an MLflow run; per epoch the books and MLflow. From the searches of
# docs/cost.md (benchmarks/estimate.py).
_LOADING = 0.95
_AROUND_TRIAL = 0.03
_AROUND_EPOCH = 0.008
# The share of its epochs that a proposed trial comes to, pruned and copied ones included, before this study can tell;
# it weighs as much as so many trials of the study do.
_SHARE_OF_PROPOSED = 0.85
_SHARE_WEIGHT = 3.0


@dataclass(frozen=True)
class Estimate:
    """What is still to be done, and what it will cost.

    Attributes:
        n_trials: slots without a result.
        n_trainings: on fresh seeds.
        trial: a typical one.
        search: all slots; the clock runs for as many workers as there are.
        confirm: the trainings on fresh seeds, likewise.
        by_method: a whole trial of each method that was measured.
    """

    n_trials: int
    n_trainings: int
    trial: Cost
    search: Cost
    confirm: Cost
    by_method: Mapping[str, Cost] = field(default_factory=dict)

    @property
    def total(self) -> Cost:
        """Search and trainings on fresh seeds."""
        return self.search + self.confirm

    @property
    def overhead(self) -> dict[str, float]:
        """Processor time over that of no mixing, minus one, by method."""
        none = self.by_method[NO_MIXING].cpu_s
        return {name: cost.cpu_s / none - 1 for name, cost in self.by_method.items() if name != NO_MIXING}

    def fitting(self, budget_s: float) -> int:
        """Return how many of the trials a budget holds beside the trainings on fresh seeds."""
        left_s = budget_s - self.confirm.wall_s
        if left_s >= self.search.wall_s:
            return self.n_trials
        return max(0, int(self.n_trials * left_s / self.search.wall_s))


class Estimator:
    """Estimates a study from its probe, again and again as it gets on.

    Args:
        config: of the study.
        probe: what was measured.
        n_workers: how many train at once.
        n_trainings: on fresh seeds, that are to be done, at most.
    """

    def __init__(self, config: StudyConfig, probe: Probe, *, n_workers: int, n_trainings: int = 0) -> None:
        self.probe = probe
        self.n_workers = n_workers
        self._config = config
        self._n_trainings = n_trainings
        fidelity = Fidelity.of(config.fidelity)
        image_share = fidelity.share if fidelity.axis == "images" else 1.0
        around = (_AROUND_TRIAL + config.n_epochs * _AROUND_EPOCH) * probe.start
        n_epochs = int(config.settings["epochs"])
        self._trials = {name: cost.trial(config.n_epochs, image_share) + around for name, cost in probe.methods.items()}
        self._trainings = {name: cost.trial(n_epochs) for name, cost in probe.methods.items()}
        # What the books call the seconds of a trial: its epochs alone.
        self._epochs = {name: image_share * cost.train + cost.judge for name, cost in probe.methods.items()}

    def estimate(self, slots: Mapping[int, SlotRecord] | None = None, *, is_running: bool = False) -> Estimate:
        """Estimate what is still to be done.

        Args:
            slots: those handed out so far; from what they took the rest is judged.
            is_running: whether the workers of the search have started already.
        """
        known = slots or {}
        pace = _Pace(self._trained(known.values()))
        open_slots = [slot for slot in range(self._config.n_trials) if not self._is_done(slot, known)]
        proposed = mean_cost(pace.corrected(name, cost) for name, cost in self._trials.items())
        expected = _share_of_proposed(known.values(), self._config.n_epochs) * proposed
        costs = [self._left(slot, known.get(slot), pace, expected) for slot in open_slots]
        trainings = mean_cost(pace.corrected(name, cost) for name, cost in self._trainings.items())
        n_at_once = min(self.n_workers, max(1, len(open_slots)))
        loading = 0.0 if is_running else 1 + _LOADING
        return Estimate(
            n_trials=len(open_slots),
            n_trainings=self._n_trainings,
            trial=total_cost(costs) * (1 / len(costs)) if costs else ZERO,
            search=self._together(total_cost(costs), n_at_once, loading) if costs else ZERO,
            confirm=self._together(self._n_trainings * trainings, self.n_workers, 1.0) if self._n_trainings else ZERO,
            by_method={name: pace.corrected(name, cost) for name, cost in self._trials.items()},
        )

    def _is_done(self, slot: int, known: Mapping[int, SlotRecord]) -> bool:
        """Whether a slot has its result, or takes it over from the study before."""
        return known[slot].is_settled if slot in known else str(slot) in self._config.inherited

    def _together(self, cost: Cost, n_workers: int, starts: float) -> Cost:
        """Return what workers who share the work take, with what each of them does before."""
        return (cost + n_workers * starts * self.probe.start).shared(n_workers)

    def _left(self, slot: int, record: SlotRecord | None, pace: _Pace, expected: Cost) -> Cost:
        if record is not None:
            left = 1 - len(record.curve) / self._config.n_epochs
            return left * pace.corrected_policy(self._trials, record.proposal.policy)
        if slot < len(self._config.arms):
            return pace.corrected_policy(self._trials, self._config.arms[slot].policy)
        return expected

    def _trained(self, slots: Iterable[SlotRecord]) -> list[tuple[str, float, float]]:
        """Return method, seconds taken and seconds estimated of what was trained with a single method."""
        found = []
        for slot in slots:
            shares = _methods(slot.proposal.policy)
            if slot.curve and slot.copied_from is None and len(shares) == 1:
                (name,) = shares
                epoch_s = _cost_of(self._epochs, slot.proposal.policy).wall_s
                found.append((name, slot.seconds, epoch_s * len(slot.curve)))
        return found


class _Pace:
    """How much longer than estimated training takes, in all and by method.

    Args:
        trained: method, seconds taken and seconds estimated, of each training.
    """

    def __init__(self, trained: Iterable[tuple[str, float, float]]) -> None:
        self._taken: dict[str, float] = {}
        self._estimated: dict[str, float] = {}
        for name, taken, estimated in trained:
            self._taken[name] = self._taken.get(name, 0.0) + taken
            self._estimated[name] = self._estimated.get(name, 0.0) + estimated
        whole = sum(self._estimated.values())
        self._all = sum(self._taken.values()) / whole if whole else 1.0

    def corrected(self, name: str, cost: Cost) -> Cost:
        """Correct the cost of a trial with a method.

        What the method took counts by how much of it was trained; what all took counts as one trial.
        """
        weight = cost.wall_s
        taken = self._taken.get(name, 0.0) + self._all * weight
        estimated = self._estimated.get(name, 0.0) + weight
        return taken / estimated * cost if estimated else cost

    def corrected_policy(self, costs: Mapping[str, Cost], policy: Mapping[str, Any]) -> Cost:
        """Correct the cost of a trial with a policy of one or more methods."""
        return _cost_of({name: self.corrected(name, cost) for name, cost in costs.items()}, policy)


def _share_of_proposed(slots: Iterable[SlotRecord], n_epochs: int) -> float:
    """Return what share of its epochs a proposed trial is trained for, from those that are settled."""
    settled = [slot for slot in slots if slot.is_settled and not slot.proposal.arm]
    trained = sum(len(slot.curve) / n_epochs for slot in settled if slot.copied_from is None)
    return (_SHARE_WEIGHT * _SHARE_OF_PROPOSED + trained) / (_SHARE_WEIGHT + len(settled))


def _cost_of(costs: Mapping[str, Cost], policy: Mapping[str, Any]) -> Cost:
    """Return the cost of a policy: of its branches by weight, of methods that were not measured as of the others."""
    unknown = mean_cost(costs.values())
    return total_cost(share * costs.get(name, unknown) for name, share in _methods(policy).items())


def _methods(policy: Mapping[str, Any]) -> dict[str, float]:
    """Return the methods of a policy and how often each is used."""
    weights: dict[str, float] = {}
    for branch in policy["branches"]:
        name = branch["mixer"]["name"]
        weights[name] = weights.get(name, 0.0) + branch.get("weight", 1.0)
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
