"""A search in words: what is said of it on the command line, in the report and in the policy file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from automix.goal import ACCURACY
from automix.planning import SearchPlan
from automix.policy import PolicyDocument
from automix.search.fidelity import full_correlation
from automix.search.ledger import SlotState
from automix.search.ranks import RankCorrelation
from automix.search.result import SearchResult
from automix.tracking import keys
from automix.verdict import advice, details, sentence

if TYPE_CHECKING:
    from automix.confirming import Confirmation

__all__ = ["augmentation_text", "facts", "headline", "is_recommended", "remarks", "usage_lines"]


def headline(result: SearchResult, n_val: int, confirmation: Confirmation | None = None) -> str:
    """Say the result in one sentence: the verdict where there is one, else what the ranking shows.

    Args:
        result: what was found.
        n_val: number of validation images.
        confirmation: the verdict.
    """
    if confirmation is not None:
        return sentence(confirmation.verdict)
    if result.best is None:
        return "No trial has trained to the end yet."
    row, goal = result.leaderboard[0], result.goal
    level = f"{row.title} leads with {_level(result)}"
    if not PolicyDocument.from_dict(result.best.proposal.policy).is_mixing:
        return f"No mixing leads with {_level(result)}: none of the policies tried was better."
    if row.delta is None:
        return f"{level}; there is no trial without mixing to compare with."
    gain = f"{level}, {goal.change(row.delta)} to no mixing"
    if goal != ACCURACY:
        return f"{gain}. How much of that is chance cannot be told from one seed."
    top1 = row.metrics[keys.VAL_TOP1]
    chance = 100 * _chance(top1, top1 - row.delta, n_val)
    if 100 * row.delta <= chance:
        return (
            f"{gain}; on {n_val} validation images chance alone gives up to {chance:.1f}, so this shows no difference."
        )
    return f"{gain} (on {n_val} validation images chance alone gives up to {chance:.1f} for a single comparison)."


def _level(result: SearchResult) -> str:
    """Say what the leader reached."""
    goal, value = result.goal, result.leaderboard[0].value
    known = "" if value is None else goal.text(value, with_unit=goal.unit == "points")
    if goal == ACCURACY:
        return f"{known} validation accuracy"
    return f"{goal.title} {known}{' on validation' if goal.is_quality else ' images/s'}"


def remarks(result: SearchResult, confirmation: Confirmation | None) -> list[str]:
    """Say what the headline does not say, a paragraph each."""
    if confirmation is None:
        return [result.note, *result.warnings, *_foretold(result, None), *_oddities(result)]
    verdict = confirmation.verdict
    ranks = "Ranks in the table remain those of one seed."
    return [*details(verdict), advice(verdict), *_foretold(result, confirmation), ranks, *_oddities(result)]


def _oddities(result: SearchResult) -> list[str]:
    """Say which trials did not run as planned, by what happened."""
    slots: dict[str, list[int]] = {}
    for slot in result.slots.values():
        for note in slot.notes:
            slots.setdefault(note, []).append(slot.slot)
    return [f"In slot {', '.join(map(str, numbers))}: {note}" for note, numbers in slots.items()]


def _foretold(result: SearchResult, confirmation: Confirmation | None) -> list[str]:
    """Say what small budgets told of large ones: half a trial of its end, trials of the trainings on fresh seeds."""
    half = math.ceil(result.n_epochs / 2)
    rungs = [f"{_correlation(one)} by {one.metric}" for one in result.rungs if one.epoch == half]
    said = []
    if rungs:
        rung = f"after {half} of {result.n_epochs} epochs"
        said.append(f"Rank correlation of the trials {rung} with their end: {'; '.join(rungs)}.")
    if confirmation is not None:
        full = full_correlation(result.slots.values(), confirmation.by_policy(), result.goal)
        if full is not None:
            said.append(f"Rank correlation of the trials with the trainings on fresh seeds: {_correlation(full)}.")
    return said


def _correlation(one: RankCorrelation) -> str:
    return f"{one.spearman:.2f} ({one.low:.2f} to {one.high:.2f}, {one.n} policies)"


def is_recommended(result: SearchResult, confirmation: Confirmation | None) -> bool:
    """Whether the policy file holds a policy that mixes and nothing speaks against it."""
    if confirmation is not None:
        return confirmation.verdict.kind == "helps"
    return result.best is not None and PolicyDocument.from_dict(result.best.proposal.policy).is_mixing


def facts(plan: SearchPlan, result: SearchResult) -> dict[str, str]:
    """Name what a result depends on, for the top of the report."""
    data, settings = plan.data, plan.settings
    counts = ", ".join(f"{len(split)} {name}" for name, split in data.splits.items())
    states = ", ".join(f"{result.n_in(state)} {state.value}" for state in SlotState if result.n_in(state))
    height, width = data.image_size
    return {
        "Data": f"{data.name}: {counts} images of {width} x {height} px, {data.num_classes} classes",
        "Model": settings.model + (" (pretrained)" if settings.pretrained else ""),
        "Training": (
            f"{settings.epochs} epochs, batches of {settings.batch_size}, {settings.optimizer}, "
            f"learning rate {settings.lr:g} ({settings.schedule}), seed {settings.seed}"
        ),
        "Augmentation of every trial": augmentation_text(plan),
        "Goal": plan.goal.title,
        "Budget of a trial": str(plan.fidelity),
        "Trials": states or "none begun",
        "Time of the last start": f"{result.time_s:.0f} s" if result.time_s < 120 else f"{result.time_s / 60:.0f} min",
        "Versions": ", ".join(f"{name} {version}" for name, version in plan.config.versions.items()),
    }


def augmentation_text(plan: SearchPlan) -> str:
    """Say how training images are augmented, with and without mixing."""
    from automix.data import Augmentation

    return Augmentation.for_data(plan.data).describe() if plan.settings.augment else "none"


def usage_lines(policy: Path, plan: SearchPlan) -> str:
    """Three lines to copy into a training script."""
    mean, std = (tuple(round(value, 4) for value in part) for part in (plan.data.mean, plan.data.std))
    classes = plan.data.num_classes
    return (
        "import automix\n"
        f"mix = automix.load_policy({str(policy)!r}, num_classes={classes}, normalization=({mean}, {std}))\n"
        "loss = mix.loss(model, images, labels)  # in place of criterion(model(images), labels)"
    )


def _chance(top1: float, other: float, n: int) -> float:
    """Bound the difference of two accuracies on the same n images that chance gives in 19 of 20 cases.

    Two standard errors of the difference of independent proportions; the models answer the same images, which makes
    the true spread smaller.
    """
    return 2.0 * math.sqrt((top1 * (1 - top1) + other * (1 - other)) / n)
