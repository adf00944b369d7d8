"""From a study to what its report shows: numbers are gathered here, figures are drawn in `automix.report`.

What fails to be gathered costs its own panel and nothing else.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from automix.goal import ACCURACY, Goal
from automix.outputs.folder import Outputs
from automix.outputs.sheet import some_images
from automix.planning import SearchPlan
from automix.policy import PolicyDocument
from automix.policy.yamlfile import dump_yaml
from automix.report import Axis, Noise, StudyReport, TrialRow, choose_pairs
from automix.report.gallery import Strip, make_strips
from automix.report.lams import LamSample, lam_samples
from automix.search.account import load_account
from automix.search.fidelity import rung_correlations
from automix.search.importance import importance
from automix.search.leaderboard import LeaderboardRow
from automix.search.ledger import SlotRecord
from automix.search.pareto import pareto_points
from automix.search.result import SearchResult
from automix.summary import facts, headline, is_recommended, remarks, usage_lines
from automix.tracking.keys import COST_CPU_S
from automix.verdict import Verdict
from automix.verdict.classes import ClassGain, class_gains
from automix.verdict.decision import DEFAULT, NO_MIXING
from automix.verdict.opening import read_answers
from automix.verdict.scores import Scores

if TYPE_CHECKING:
    from torch import nn

    from automix.confirming import Confirmation

__all__ = ["tell"]

_log = logging.getLogger(__name__)
_N_PAIRS = 5
_N_MIXED = 200
# Unlike the time on the clock it hardly depends on what else the machine does.
_PROCESSOR_TIME = Goal(
    name="processor_time", metric=COST_CPU_S, maximize=False, unit="", title="processor time of an epoch", over="median"
)

T = TypeVar("T")


def tell(
    plan: SearchPlan,
    result: SearchResult,
    best: PolicyDocument | None,
    confirmation: Confirmation | None,
    shown: Mapping[str, PolicyDocument],
    model: nn.Module | None,
    notes: Sequence[str] = (),
) -> StudyReport:
    """Gather what the report shows.

    Args:
        plan: of the search.
        result: what it found.
        best: the policy that is handed back; None where there is none.
        confirmation: the verdict, once there is one.
        shown: name -> policy, of those that are looked at in detail.
        model: that the search trained, for policies that look at it.
        notes: what else is to be said.
    """
    gathered = _Gathering()
    verdict = None if confirmation is None else confirmation.verdict
    methods = {number: _method(slot) for number, slot in result.slots.items()}
    return StudyReport(
        study=result.study,
        headline=headline(result, len(plan.data.splits["val"]), confirmation),
        remarks=remarks(result, confirmation),
        facts=facts(plan, result),
        trials=[_trial_row(row, result.slots[row.slot], methods[row.slot]) for row in result.leaderboard],
        goal=result.goal,
        verdict=verdict,
        noise=_noise(result.goal, verdict, result, len(plan.data.splits["val"])),
        parameters=[Axis(p.name, p.low, p.high, p.log, p.choices) for p in plan.space.parameters.values()],
        importance=gathered.part("importance", lambda: importance(result.slots.values(), methods, result.goal), None),
        rungs=gathered.part(
            "rungs", lambda: rung_correlations(result.slots.values(), result.goal, plan.config.n_epochs), ()
        ),
        costs=pareto_points(result.slots.values(), result.goal, _PROCESSOR_TIME),
        cost_note=_cost_note(result),
        classes=gathered.part("classes", lambda: _class_gains(plan, confirmation), []),
        lams=gathered.part("lam", lambda: _lams(plan, shown, model), []),
        strips=gathered.part("gallery", lambda: _strips(plan, shown, model), []),
        space=[row._asdict() for row in plan.space.summary()],
        left_out=plan.space.left_out,
        policy_yaml="" if best is None else dump_yaml(best.to_dict()),
        usage={"Use it": usage_lines(Outputs(result.out).policy, plan)} if is_recommended(result, confirmation) else {},
        notes=[*plan.data.notes, *plan.notes, *result.problems, *notes],
        problems=gathered.problems,
    )


class _Gathering:
    """Collects the parts of a report and, of those that fail, why."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def part(self, panel: str, make: Callable[[], T], empty: T) -> T:
        """Return what `make` makes; where it fails, ``empty``."""
        try:
            return make()
        except Exception as err:  # noqa: BLE001  # a plugin may raise anything; a report with a gap is worth more than none
            _log.warning("What the report's panel %r shows could not be gathered.", panel, exc_info=True)
            self.problems[panel] = f"{type(err).__name__}: {err}"
            return empty


def _trial_row(row: LeaderboardRow, slot: SlotRecord, method: str) -> TrialRow:
    names = dict.fromkeys(name for epoch in slot.curve for name in epoch if name.startswith("val/"))
    return TrialRow(
        rank=row.rank or 0,
        slot=row.slot,
        title=row.title,
        method=method,
        state=row.state,
        value=row.value,
        arm=row.arm,
        metrics=row.metrics,
        delta=row.delta_top1,
        params=slot.proposal.params,
        curves={name: [epoch.get(name, math.nan) for epoch in slot.curve] for name in names},
        error=row.error,
    )


def _method(slot: SlotRecord) -> str:
    """Name the mixer that a policy mixes with most; a reference of several methods goes by its own name."""
    branches = PolicyDocument.from_dict(slot.proposal.policy).branches
    mixing = [branch for branch in branches if branch.mixer.name != NO_MIXING]
    if slot.proposal.arm and len(mixing) > 1:
        return slot.proposal.arm
    return max(mixing, key=lambda branch: branch.weight).mixer.name if mixing else NO_MIXING


def _noise(goal: Goal, verdict: Verdict | None, result: SearchResult, n_val: int) -> Noise | None:
    """Say how much one training varies: measured on the fresh seeds, else what the number of images alone gives."""
    if verdict is not None:
        arms = [arm.val[goal.key] for arm in verdict.arms]
        squares = sum((value - mean(values)) ** 2 for values in arms for value in values)
        freedom = sum(len(values) - 1 for values in arms)
        return Noise(math.sqrt(squares / freedom), f"measured on {len(arms)} policies, {freedom + len(arms)} trainings")
    if goal != ACCURACY:
        return None
    none = next((row.value for row in result.leaderboard if row.arm == NO_MIXING and row.value is not None), None)
    if none is None:
        return None
    return Noise(math.sqrt(none * (1 - none) / n_val), f"what {n_val} validation images give; seeds add to it")


def _class_gains(plan: SearchPlan, confirmation: Confirmation | None) -> list[ClassGain]:
    if confirmation is None:
        return []
    verdict = confirmation.verdict
    mixing = [name for name in (verdict.winner, DEFAULT) if name != NO_MIXING]
    tested = [arm.name for arm in verdict.arms if arm.test]
    arm = next((name for name in mixing if name in tested), None)
    if arm is None or NO_MIXING not in tested:
        return []
    ours, theirs = (
        Scores([read_answers(one.answers_file) for one, _ in confirmation.rounds[name]]) for name in (arm, NO_MIXING)
    )
    counts = np.bincount(plan.data.splits["train"].labels, minlength=plan.data.num_classes).tolist()
    return class_gains(arm, ours, theirs, plan.data.classes, counts)


def _lams(plan: SearchPlan, shown: Mapping[str, PolicyDocument], model: nn.Module | None) -> list[LamSample]:
    data = plan.data
    images, labels = some_images(data, _N_MIXED)
    normalization = data.mean, data.std
    return lam_samples(
        images.float() / 255, labels, data.num_classes, shown, plan.host.registry, normalization, model=model
    )


def _strips(plan: SearchPlan, shown: Mapping[str, PolicyDocument], model: nn.Module | None) -> list[Strip]:
    data = plan.data
    pairs = choose_pairs(*some_images(data), data.classes, _N_PAIRS)
    return make_strips(pairs, shown, plan.host.registry, (data.mean, data.std), model=model)


def _cost_note(result: SearchResult) -> str:
    account = load_account(result.folder)
    if account is None or account.actual_s is None or not account.is_whole:
        return ""
    return f"The whole search was estimated to take {account.total_s:.0f} s and took {account.actual_s:.0f} s."
