"""Two studies side by side: what they are about, what they found, how their best policies differ, their curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automix.goal import goal_of
from automix.policy import PolicyDocument
from automix.search.config import StudyConfig
from automix.search.folder import StudyFolder
from automix.search.leaderboard import NO_MIXING
from automix.search.ledger import Ledger, SlotRecord, SlotState
from automix.search.reading import find_study, result_of
from automix.search.result import SearchResult
from automix.search.supervisor import Ending
from automix.storage import optuna_storage
from automix.verdict import Verdict, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Side", "best_so_far", "draw_comparison", "policy_differences", "side_of"]

# Of Okabe and Ito's colours, which the colour-blind tell apart.
_COLOURS = ("#0072B2", "#D55E00")


@dataclass(frozen=True)
class Side:
    """One study of a comparison.

    Attributes:
        config: of the study.
        result: what it found.
        verdict: what it proved to be worth; None where there is none.
    """

    config: StudyConfig
    result: SearchResult
    verdict: Verdict | None

    @property
    def finding(self) -> str:
        """The verdict in a sentence; empty where there is none."""
        return "" if self.verdict is None else sentence(self.verdict)

    @property
    def best(self) -> PolicyDocument | None:
        """The leading policy."""
        return None if self.result.document is None else PolicyDocument.from_dict(self.result.document)

    def facts(self) -> dict[str, Any]:
        """Say in a column what the study is about and what it found."""
        top = self.result.leaderboard[0] if self.result.best is not None else None
        settings = self.config.settings
        trained = [slot for slot in self.result.slots.values() if slot.copied_from is None]
        return {
            "data": self.config.data_name,
            "model": settings["model"],
            "epochs": settings["epochs"],
            "goal": self.config.goal,
            "trials": f"{self.result.n_in(SlotState.COMPLETE)} of {self.config.n_trials}",
            "best": None if top is None else top.title,
            "value": None if top is None or top.value is None else round(top.value, 4),
            "to none": None if top is None or top.delta is None else f"{top.delta:+.4f}",
            "training s": round(sum(slot.seconds for slot in trained)),
            "verdict": None if self.verdict is None else self.verdict.kind,
        }


def side_of(work: Path, name: str) -> Side:
    """Read a study.

    Raises:
        StudyError, UnknownNameError: there is none of that name.
    """
    folder, config = find_study(work, name)
    ledger = Ledger(optuna_storage(folder.optuna_file), config.name, goal=goal_of(config.goal))
    return Side(config, result_of(config, folder, ledger, Ending.COMPLETE), _verdict(folder))


def policy_differences(ours: PolicyDocument, theirs: PolicyDocument) -> list[tuple[str, Any, Any]]:
    """Return what two policies differ in: where, in the one, in the other (None where it is not there)."""
    one, other = dict(_flat(ours.to_dict())), dict(_flat(theirs.to_dict()))
    names = [*one, *(name for name in other if name not in one)]
    return [(name, one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)]


def best_so_far(side: Side) -> list[float]:
    """Return the best value after each slot that trained to the end, in the order of slots."""
    goal = goal_of(side.config.goal)
    found: list[float] = []
    for _, slot in sorted(side.result.slots.items()):
        if slot.state is SlotState.COMPLETE:
            value = goal.value(slot.curve)
            found.append(value if not found or goal.better(value, found[-1]) else found[-1])
    return found


def draw_comparison(sides: Sequence[Side]) -> bytes:
    """Draw best-so-far by trial, and the curves of each study's best policy and of no mixing; a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for side, colour in zip(sides, _COLOURS, strict=False):
        values = best_so_far(side)
        left.step(range(1, len(values) + 1), values, where="post", color=colour, label=side.config.name)
        _draw_curves(right, side, colour)
    goals = list(dict.fromkeys(goal_of(side.config.goal).name for side in sides))
    _finish(left, "best so far", "trials that trained to the end", " and ".join(goals))
    _finish(right, "best policy (solid) and no mixing (dashed)", "epoch", " and ".join(goals))
    picture = BytesIO()
    canvas.print_png(picture)  # type: ignore[no-untyped-call]  # matplotlib leaves it untyped
    return picture.getvalue()


def _draw_curves(axes: Axes, side: Side, colour: str) -> None:
    metric = goal_of(side.config.goal).metric
    none = next((s for s in side.result.slots.values() if s.proposal.arm == NO_MIXING), None)
    for slot, style in ((side.result.best, "-"), (none, "--")):
        if slot is not None and slot.curve:
            label = f"{side.config.name}: {slot.proposal.title}" if style == "-" else None
            values = _values(slot, metric)
            axes.plot(range(1, len(values) + 1), values, style, marker=".", color=colour, label=label)


def _values(slot: SlotRecord, metric: str) -> list[float]:
    return [row[metric] for row in slot.curve]


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True, alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", frameon=False)


def _verdict(folder: StudyFolder) -> Verdict | None:
    file = folder.path / "confirm" / "verdict.json"
    if not file.exists():
        return None
    return Verdict.from_dict(json.loads(file.read_text(encoding="utf-8"))["verdict"])


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Write nested values as place -> value, such as "branches.0.ratio.alpha"."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _flat(inner, f"{place}.{i}" if place else str(i))
    else:
        yield place, value
