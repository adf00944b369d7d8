"""What a study's result depended on: the method, and within the leader's method its settings.

Optuna's evaluators are not asked about the method. Functional ANOVA knows only parameters that every trial has; the
conditional PED-ANOVA takes the others too, but a setting that a few trials have gets importance by chance: on noise
alone, nine methods and 60 trials, it gave the method 2 % and their probabilities half. So the method is judged by the
share of the spread that lies between methods, and PED-ANOVA (arXiv 2304.10255) ranks the settings that all trials of
the leader's method have. What shuffled results give stands beside each number.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState, create_trial

from automix.goal import Goal
from automix.search.ledger import SlotRecord, SlotState, quiet_optuna

__all__ = ["Importance", "Share", "importance"]

_FEWEST = 6
_RELIABLE = 15
# Optuna advises at least five trials among the best, which PED-ANOVA compares with all.
_BEST, _BEST_SHARE = 5, 0.1
_SHUFFLES = 40
_CHANCE = 0.95


@dataclass(frozen=True)
class Share:
    """How much depends on one thing.

    Attributes:
        name: "method", or a parameter.
        share: from 0 to 1.
        chance: what 19 of 20 shuffles of the results stay below.
    """

    name: str
    share: float
    chance: float


@dataclass(frozen=True)
class Importance:
    """What mattered.

    Attributes:
        method: share of the spread that lies between methods (omega squared, which is about 0 where methods do not
            differ).
        n: trials that trained to the end.
        leader: method of the best of them.
        settings: its settings by their importance, which sums to 1; empty where there are too few trials.
        n_leader: trials of that method.
        caveat: what the numbers are worth, in words; empty where there is nothing to say.
    """

    method: Share
    n: int
    leader: str
    settings: tuple[Share, ...]
    n_leader: int
    caveat: str


def importance(slots: Iterable[SlotRecord], methods: Mapping[int, str], goal: Goal, seed: int = 0) -> Importance | None:
    """Measure what mattered.

    Args:
        slots: of a study.
        methods: slot -> method that its policy mixes with most.
        goal: what is made good.
        seed: of the shuffles.

    Returns:
        None where fewer than six trials, or trials of one method alone, have trained to the end.
    """
    known = [slot for slot in slots if slot.state is SlotState.COMPLETE and not math.isnan(goal.value(slot.curve))]
    names = [methods[slot.slot] for slot in known]
    if len(known) < _FEWEST or len(set(names)) < 2:
        return None
    values = np.array([goal.sort_key(goal.value(slot.curve)) for slot in known])
    generator = np.random.default_rng(seed)
    method = _against_chance(lambda shuffled: {"method": _between(names, shuffled)}, values, generator)
    leader = known[int(values.argmax())]
    own = _alike(leader, methods[leader.slot], known)
    return Importance(
        method=method[0],
        n=len(known),
        leader=methods[leader.slot],
        settings=_settings(own, goal, generator),
        n_leader=len(own),
        caveat=_caveat(len(known), methods[leader.slot], len(own)),
    )


def _between(names: Sequence[str], values: NDArray[np.float64]) -> float:
    """Return omega squared of a one-way layout (Hays 1963): between-group share of the spread, without its bias."""
    groups = {name: values[[other == name for other in names]] for name in set(names)}
    n, k = len(values), len(groups)
    between = sum(len(group) * (group.mean() - values.mean()) ** 2 for group in groups.values())
    total = float(np.square(values - values.mean()).sum())
    within = (total - between) / max(1, n - k)
    return max(0.0, float((between - (k - 1) * within) / (total + within))) if total else 0.0


def _alike(leader: SlotRecord, method: str, known: Sequence[SlotRecord]) -> list[SlotRecord]:
    """Return the trials that have the leader's method at the leader's place: first or second branch."""
    params = leader.proposal.params
    place = next((name for name in ("mixer", "mixer2") if params.get(name) == method), None)
    return [] if place is None else [slot for slot in known if slot.proposal.params.get(place) == method]


def _settings(own: Sequence[SlotRecord], goal: Goal, generator: np.random.Generator) -> tuple[Share, ...]:
    common = set.intersection(*(set(slot.proposal.params) for slot in own)) if own else set()
    free = [name for name in common if len({slot.proposal.params[name] for slot in own}) > 1]
    if len(own) < _FEWEST or not free:
        return ()
    values = np.array([goal.sort_key(goal.value(slot.curve)) for slot in own])
    return tuple(_against_chance(lambda shuffled: _pedanova(own, sorted(free), shuffled), values, generator))


def _pedanova(own: Sequence[SlotRecord], names: list[str], values: NDArray[np.float64]) -> dict[str, float]:
    """Ask Optuna how much the settings of the best trials differ from those of all."""
    with quiet_optuna(), warnings.catch_warnings():
        # Where results tie, the best are all: nothing stands out, and shuffled results say so too.
        warnings.filterwarnings("ignore", message="Target and region quantiles select the same", category=UserWarning)
        study = optuna.create_study(direction="maximize")
        study.add_trials([_trial(slot, names, value) for slot, value in zip(own, values.tolist(), strict=True)])
        evaluator = PedAnovaImportanceEvaluator(target_quantile=min(0.5, max(_BEST_SHARE, _BEST / len(own))))
        return dict(get_param_importances(study, evaluator=evaluator, params=names))


def _trial(slot: SlotRecord, names: list[str], value: float) -> optuna.trial.FrozenTrial:
    proposal = slot.proposal
    params: dict[str, Any] = {name: proposal.params[name] for name in names}
    distributions = {name: proposal.distributions[name] for name in names}
    return create_trial(state=TrialState.COMPLETE, value=value, params=params, distributions=distributions)


def _against_chance(
    measure: Callable[[NDArray[np.float64]], Mapping[str, float]],
    values: NDArray[np.float64],
    generator: np.random.Generator,
) -> list[Share]:
    """Measure, and measure again with the results dealt out anew; largest first."""
    found = measure(values)
    shuffled = [measure(generator.permutation(values)) for _ in range(_SHUFFLES)]
    chance = {name: float(np.quantile([one[name] for one in shuffled], _CHANCE)) for name in found}
    return sorted((Share(name, share, chance[name]) for name, share in found.items()), key=lambda one: -one.share)


def _caveat(n: int, leader: str, n_leader: int) -> str:
    if n < _RELIABLE:
        return f"With {n} trials none of this is reliable: it needs {_RELIABLE} at the very least."
    if n_leader < _RELIABLE:
        return (
            f"Within {leader} there are {n_leader} trials, too few to rely on: it needs {_RELIABLE} at the very least."
        )
    return ""
