"""What ``search`` shows before it starts: data, model, who takes part and who does not, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from automix.cli.context import print_paragraph, say
from automix.cli.progress import duration

if TYPE_CHECKING:
    from automix.planning import SearchPlan
    from automix.search.estimate import Estimate

__all__ = ["plan_data", "show_cost", "show_plan"]

_WIDTH = 10


def show_plan(plan: SearchPlan) -> None:
    """Say what goes in and what stays out."""
    from automix.summary import augmentation_text

    counts = ", ".join(f"{len(split)} {name}" for name, split in plan.data.splits.items())
    height, width = plan.data.image_size
    colours = "grey" if plan.data.channels == 1 else "colour"
    settings = plan.settings
    _row("Data", f"{plan.data.name}: {counts}; {plan.data.num_classes} classes, {width} x {height} px, {colours}")
    _rows("", plan.data.notes)
    _row(
        "Model",
        f"{settings.model}{', pretrained' if settings.pretrained else ''}, {settings.epochs} epochs, batches of "
        f"{settings.batch_size}, {settings.optimizer} at {settings.lr:g}",
    )
    _row("Augment", f"{augmentation_text(plan)} (in every trial, also without mixing)")
    _row("Goal", f"{plan.goal.title}; {_budget(plan)}")
    _row("Methods", f"{', '.join(plan.space.mixers)}; {len(plan.space.parameters)} searched parameters")
    _rows("  not", _left_out(plan))
    _row("Arms", ", ".join(arm.name for arm in plan.config.arms))
    _rows("", plan.notes)
    _row("Results", str(plan.out))


def show_cost(plan: SearchPlan, estimate: Estimate | None) -> None:
    """Say how much is to be done and how long it may take."""
    from automix.costing import machine_for

    n_trials, n_open = plan.config.n_trials, 0 if estimate is None else estimate.n_trials
    parts = [f"{n_trials} trials" + (f", {n_trials - n_open} of them done" if n_open < n_trials else "")]
    if estimate is not None:
        n_workers = min(machine_for(plan).n_workers, max(1, n_open))
        if n_open:
            each, at_once = duration(estimate.trial.wall_s), f"{n_workers} at a time"
            parts.append(f"about {each} each, {at_once}: {duration(estimate.search.wall_s)}")
        if estimate.n_trainings:
            who = f"the best {plan.n_best} and the references on {plan.confirm} fresh seeds"
            parts.append(f"then {who}: up to {duration(estimate.confirm.wall_s)}")
        parts.append(f"{duration(estimate.total.wall_s)} in all, {duration(estimate.total.cpu_s)} of processor time")
        if plan.budget_s is not None and estimate.fitting(plan.budget_s) < n_open:
            parts.append(
                f"the budget of {duration(plan.budget_s)} holds about {estimate.fitting(plan.budget_s)} trials"
            )
    _row("Study", f"{plan.config.name}: {'; '.join(parts)}")
    if estimate is not None and n_open:
        _row("Cost", _method_costs(estimate))
    say()


def _budget(plan: SearchPlan) -> str:
    """Say what a trial gets of the whole training."""
    share = f"{100 * plan.fidelity.share:.0f} %"
    if plan.fidelity.is_full:
        return "every trial is a whole training"
    if plan.fidelity.axis == "images":
        return f"a trial sees {share} of the training images, in as many epochs as a whole training"
    return f"a trial has {plan.fidelity.epochs(plan.settings.epochs)} of the {plan.settings.epochs} epochs"


def _method_costs(estimate: Estimate) -> str:
    """Say what a whole trial of each method costs, those that cost most first."""
    none = estimate.by_method["none"]
    others = sorted(estimate.overhead.items(), key=lambda item: -item[1])
    return "; ".join(
        [f"none {duration(none.wall_s)} a trial", *(f"{name} {100 * more:+.0f} %" for name, more in others)]
    )


def plan_data(plan: SearchPlan, estimate: Estimate | None) -> dict[str, Any]:
    """Return the plan for another program."""
    from dataclasses import asdict

    return {
        "study": plan.config.name,
        "data": plan.data.summary(),
        "settings": plan.settings.to_dict(),
        "mixers": plan.space.mixers,
        "left_out": dict(plan.space.left_out),
        "parameters": [row._asdict() for row in plan.space.summary()],
        "arms": [arm.name for arm in plan.config.arms],
        "trials": plan.config.n_trials,
        "trials_left": 0 if estimate is None else estimate.n_trials,
        "trial_s": None if estimate is None else estimate.trial.wall_s,
        "total_s": None if estimate is None else estimate.total.wall_s,
        "estimate": None if estimate is None else asdict(estimate),
        "confirm": plan.confirm,
        "out": str(plan.out),
        "work": str(plan.work),
        "notes": list(plan.notes),
    }


def _left_out(plan: SearchPlan) -> list[str]:
    """Name who does not take part, once for each reason."""
    names: dict[str, list[str]] = {}
    for name, reason in plan.space.left_out:
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(found)}: {reason}" for reason, found in names.items()]


def _row(label: str, text: str) -> None:
    print_paragraph(text, f"{label:<{_WIDTH}}")


def _rows(label: str, texts: Iterable[str]) -> None:
    for text in texts:
        _row(label, text)
