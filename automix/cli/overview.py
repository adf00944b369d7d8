"""What ``search`` shows before it starts: data, model, who takes part and who does not, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from automix.cli.context import print_paragraph, say
from automix.cli.progress import duration

if TYPE_CHECKING:
    from automix.planning import SearchPlan
    from automix.search.ledger import SlotRecord

__all__ = ["expected_trial", "plan_data", "show_cost", "show_plan"]

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
    _row("Methods", f"{', '.join(plan.space.mixers)}; {len(plan.space.parameters)} searched parameters")
    _rows("  not", _left_out(plan))
    _row("Arms", ", ".join(arm.name for arm in plan.config.arms))
    _rows("", plan.notes)
    _row("Results", str(plan.out))


def show_cost(plan: SearchPlan, trial_s: float) -> None:
    """Say how much is to be done and how long it may take."""
    from automix.api import machine_for
    from automix.confirming import N_BEST, trainings

    n_open, n_workers = _n_open(plan), machine_for(plan).n_workers
    done = plan.config.n_trials - n_open
    state = f"{plan.config.n_trials} trials" + (f", {done} of them done" if done else "")
    parts = [f"{plan.config.name}: {state}"]
    if n_open:
        total_s = trial_s * n_open / min(n_workers, n_open)
        parts.append(f"about {duration(trial_s)} each, {min(n_workers, n_open)} at a time: {duration(total_s)} at most")
    if plan.confirm:
        parts.append(
            f"then the best {N_BEST} and the references on {plan.confirm} fresh seeds{_confirm_time(plan, trial_s)}"
        )
    if plan.budget_s is not None:
        fits = max(0, int(plan.budget_s * n_workers / max(trial_s, 1e-9)) - trainings(plan))
        if fits < n_open:
            parts.append(f"the budget of {duration(plan.budget_s)} holds about {fits} trials")
    _row("Study", "; ".join(parts))
    say()


def expected_trial(plan: SearchPlan) -> float:
    """Measure a few steps and tell what a trial takes, seconds; nothing is measured where no trial is left."""
    if not _n_open(plan):
        return 0.0
    from automix.api import machine_for
    from automix.search.estimate import estimate_trial

    policies = {name: plan.space.defaults(name) for name in plan.space.mixers if name != "none"}
    threads = machine_for(plan).threads
    return estimate_trial(plan.data, plan.settings, plan.host.registry, policies, threads=threads).trial_s


def plan_data(plan: SearchPlan, trial_s: float) -> dict[str, Any]:
    """Return the plan for another program."""
    return {
        "study": plan.config.name,
        "data": plan.data.summary(),
        "settings": plan.settings.to_dict(),
        "mixers": plan.space.mixers,
        "left_out": dict(plan.space.left_out),
        "parameters": [row._asdict() for row in plan.space.summary()],
        "arms": [arm.name for arm in plan.config.arms],
        "trials": plan.config.n_trials,
        "trials_left": _n_open(plan),
        "trial_s": trial_s,
        "confirm": plan.confirm,
        "out": str(plan.out),
        "work": str(plan.work),
        "notes": list(plan.notes),
    }


def _n_open(plan: SearchPlan) -> int:
    """Count the trials that are not done yet."""
    slots = _known_slots(plan)
    return sum(slot not in slots or not slots[slot].is_settled for slot in range(plan.config.n_trials))


def _known_slots(plan: SearchPlan) -> dict[int, SlotRecord]:
    from automix.cli.studies import read_slots
    from automix.search.folder import StudyFolder

    folder = StudyFolder(plan.work, plan.config.name)
    return read_slots(folder) if folder.config_file.exists() and folder.optuna_file.exists() else {}


def _left_out(plan: SearchPlan) -> list[str]:
    """Name who does not take part, once for each reason."""
    names: dict[str, list[str]] = {}
    for name, reason in plan.space.left_out:
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(found)}: {reason}" for reason, found in names.items()]


def _confirm_time(plan: SearchPlan, trial_s: float) -> str:
    from automix.api import machine_for
    from automix.confirming import trainings

    if not trial_s:
        return ""
    return f": up to {duration(trainings(plan) * trial_s / machine_for(plan).n_workers)}"


def _row(label: str, text: str) -> None:
    print_paragraph(text, f"{label:<{_WIDTH}}")


def _rows(label: str, texts: Iterable[str]) -> None:
    for text in texts:
        _row(label, text)
