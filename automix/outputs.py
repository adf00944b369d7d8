"""What a search leaves in its results folder, for people and for the trainer that comes next."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from automix.errors import StorageError
from automix.planning import SearchPlan
from automix.policy import PolicyDocument, save_document
from automix.policy.yamlfile import dump_yaml
from automix.report import CurvePoint, StudyReport, TrialRow, choose_pairs, contact_sheet, render_report
from automix.report.plots import PLOTS, draw_png
from automix.search.leaderboard import LeaderboardRow
from automix.search.ledger import SlotRecord
from automix.search.result import SearchResult
from automix.summary import caution, facts, headline, is_recommended, usage_lines
from automix.tracking import Tracker, keys

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.registry import Registry
    from automix.report.verdict import Comparison

__all__ = [
    "LEADERBOARD_METRICS",
    "Outputs",
    "export_results",
    "leaderboard_rows",
    "method_sheet",
]

LEADERBOARD_METRICS = (keys.VAL_TOP1, keys.VAL_BALANCED_TOP1, keys.VAL_LOGLOSS, keys.VAL_ECE)
_N_PAIRS = 8
_MAX_IMAGES_LOOKED_AT = 2000


@dataclass(frozen=True)
class Outputs:
    """Where results lie."""

    folder: Path

    @property
    def policy(self) -> Path:
        """The best policy."""
        return self.folder / "policy.yaml"

    @property
    def leaderboard(self) -> Path:
        """Every slot, a row each."""
        return self.folder / "leaderboard.csv"

    @property
    def sheet(self) -> Path:
        """The same image pairs under every method."""
        return self.folder / "contact_sheet.png"

    @property
    def report(self) -> Path:
        """One HTML file that needs no network."""
        return self.folder / "report.html"

    @property
    def model(self) -> Path:
        """The model of the best trial."""
        return self.folder / "model.safetensors"

    def files(self) -> dict[str, Path]:
        """Name what lies there, in the order in which a person looks."""
        return {
            "report": self.report,
            "policy": self.policy,
            "contact sheet": self.sheet,
            "leaderboard": self.leaderboard,
            "model": self.model,
        }


def export_results(
    plan: SearchPlan, result: SearchResult, tracker: Tracker | None = None, comparison: Comparison | None = None
) -> Path | None:
    """Write everything; called while the study is still locked, also after a stop.

    Args:
        plan: what was searched.
        result: what was found so far.
        tracker: also shows it in MLflow, on the study's run.
        comparison: of the leader with no mixing on fresh seeds.

    Returns:
        The policy file; None where no trial has trained to the end.

    Raises:
        StorageError: the folder is full or cannot be written.
    """
    outputs = Outputs(result.out)
    try:
        outputs.folder.mkdir(parents=True, exist_ok=True)
        outputs.leaderboard.write_text(_csv(leaderboard_rows(result, comparison)), encoding="utf-8")
        best = _best_policy(plan, result, comparison)
        if best is not None:
            best = save_document(best, outputs.policy)
        if result.best_checkpoint is not None:
            shutil.copyfile(result.best_checkpoint, outputs.model)
        sheet = method_sheet(plan.data, _shown_policies(plan, best), plan.host.registry)
        outputs.sheet.write_bytes(sheet)
        report = _report(plan, result, best, sheet, comparison)
        outputs.report.write_text(render_report(report), encoding="utf-8")
    except OSError as err:
        raise StorageError(f"Cannot write the results to {str(outputs.folder)!r}: {err.strerror}.") from err
    if tracker is not None:
        _show_in_mlflow(tracker, result, outputs, report)
    return outputs.policy if best is not None else None


def leaderboard_rows(result: SearchResult, comparison: Comparison | None = None) -> list[dict[str, Any]]:
    """Return the ranking as flat rows, for CSV and JSON; see `leaderboard_row`."""
    fresh = {} if comparison is None or result.best is None else {result.best.slot: comparison}
    return [leaderboard_row(row, result.slots[row.slot], fresh.get(row.slot)) for row in result.leaderboard]


def leaderboard_row(row: LeaderboardRow, slot: SlotRecord, fresh: Comparison | None = None) -> dict[str, Any]:
    """Flatten one row: identity, metrics of the last epoch (shares, nats), cost, what fresh seeds gave."""
    low, high = (None, None) if fresh is None or fresh.interval is None else fresh.interval
    return {
        "rank": row.rank,
        "policy": row.title,
        "state": row.state,
        "arm": row.arm,
        **{name: row.metrics.get(name) for name in LEADERBOARD_METRICS},
        "delta_top1": row.delta_top1,
        "delta_logloss": row.delta_logloss,
        "epochs": row.epochs,
        "images_per_s": row.images_per_s,
        "overhead": row.overhead,
        "fresh_seeds": None if fresh is None else len(fresh.seeds),
        "fresh_delta_test_top1": None if fresh is None else fresh.mean,
        "fresh_delta_low": low,
        "fresh_delta_high": high,
        "slot": row.slot,
        "copied_from": row.copied_from,
        "policy_key": row.policy_key,
        "method": _method(slot),
        "error": row.error,
    }


def method_sheet(data: DataSet, policies: Mapping[str, PolicyDocument], registry: Registry, n: int = _N_PAIRS) -> bytes:
    """Draw the contact sheet of some training images under some policies; a PNG."""
    train = data.splits["train"]
    looked_at = np.linspace(0, len(train) - 1, min(len(train), _MAX_IMAGES_LOOKED_AT)).astype(np.int64)
    images = torch.from_numpy(np.array(train.images[looked_at]))
    pairs = choose_pairs(images, torch.from_numpy(np.array(train.labels[looked_at])), data.classes, n)
    title = f"{data.name}: the same pairs under every method (each always mixing)"
    return contact_sheet(pairs, policies, registry, normalization=(data.mean, data.std), title=title)


def _csv(rows: list[dict[str, Any]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["rank"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _best_policy(plan: SearchPlan, result: SearchResult, comparison: Comparison | None) -> PolicyDocument | None:
    """Return the leading policy with what a reader must know about where it comes from."""
    if result.document is None or result.best is None:
        return None
    row = result.leaderboard[0]
    metrics = {name: round(float(row.metrics[name]), 6) for name in LEADERBOARD_METRICS if name in row.metrics}
    kind = {"kind": "single-seed ranking", "note": f"{headline(result, len(plan.data.splits['val']))} {result.note}"}
    verdict = {**(kind if comparison is None else comparison.to_dict()), **metrics}
    if row.delta_top1 is not None:
        verdict["delta_top1_to_no_mixing"] = round(row.delta_top1, 6)
    found_by = {
        "study": result.study,
        "data": plan.data.name,
        "content_hash": plan.data.fingerprint.content_hash,
        "trials": len(result.slots),
        "slot": result.best.slot,
        "versions": dict(plan.config.versions),
    }
    document = PolicyDocument.from_dict(result.document)
    fields = {
        "classes": plan.data.classes,
        "found_by": found_by,
        "verdict": verdict,
        "trained_with": plan.settings.to_dict(),
    }
    return document.model_copy(update=fields)


def _shown_policies(plan: SearchPlan, best: PolicyDocument | None) -> dict[str, PolicyDocument]:
    """The winner first, then every method of the space with its published settings."""
    shown = {} if best is None else {"best": best}
    return {**shown, **{name: plan.space.defaults(name) for name in plan.space.mixers if name != "none"}}


def _report(
    plan: SearchPlan, result: SearchResult, best: PolicyDocument | None, sheet: bytes, comparison: Comparison | None
) -> StudyReport:
    policy = Outputs(result.out).policy
    heading = "Use it" if is_recommended(result, comparison) else "Try it all the same"
    return StudyReport(
        study=result.study,
        headline=headline(result, len(plan.data.splits["val"]), comparison),
        caution=caution(result, comparison),
        facts=facts(plan, result),
        trials=[_trial_row(row, result.slots[row.slot]) for row in result.leaderboard],
        comparison=comparison,
        space=[row._asdict() for row in plan.space.summary()],
        left_out=plan.space.left_out,
        policy_yaml="" if best is None else dump_yaml(best.to_dict()),
        usage={heading: usage_lines(policy, plan)} if best is not None and best.is_mixing else {},
        images={"The same image pairs under every method": sheet},
        notes=[*plan.data.notes, *plan.notes, *result.problems],
    )


def _trial_row(row: LeaderboardRow, slot: SlotRecord) -> TrialRow:
    points = [CurvePoint(i, e[keys.VAL_TOP1], e[keys.VAL_LOGLOSS]) for i, e in enumerate(slot.curve, start=1)]
    return TrialRow(
        rank=row.rank or 0,
        slot=row.slot,
        title=row.title,
        method=_method(slot),
        state=row.state,
        arm=row.arm,
        metrics=row.metrics,
        delta=row.delta_top1,
        params=slot.proposal.params,
        curve=points,
        error=row.error,
    )


def _method(slot: SlotRecord) -> str:
    """Name the mixers of a slot's policy; an arm with many branches goes by its own name."""
    names = [branch.mixer.name for branch in PolicyDocument.from_dict(slot.proposal.policy).branches]
    return slot.proposal.arm if slot.proposal.arm and len(names) > 2 else "+".join(names)


def _show_in_mlflow(tracker: Tracker, result: SearchResult, outputs: Outputs, report: StudyReport) -> None:
    for path in (outputs.policy, outputs.leaderboard, outputs.sheet, outputs.report):
        if path.exists():
            tracker.artifact(result.parent_run, path, "results")
    for name, _, plot in PLOTS:
        picture = outputs.folder / "plots" / f"{name}.png"
        picture.parent.mkdir(exist_ok=True)
        picture.write_bytes(draw_png(report, plot))
        tracker.artifact(result.parent_run, picture, "plots")
