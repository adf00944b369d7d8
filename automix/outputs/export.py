"""Writes what a search leaves in its results folder, for people and for the trainer that comes next."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from automix.artifacts import FolderStore, export_files
from automix.errors import StorageError
from automix.outputs.folder import Outputs
from automix.outputs.looked_at import shown_policies, trained_model
from automix.outputs.policy import best_policy, with_origin
from automix.outputs.sheet import method_sheet
from automix.outputs.story import tell
from automix.outputs.tables import confirm_rows, csv_text, leaderboard_rows
from automix.planning import SearchPlan
from automix.policy import save_document
from automix.report import StudyReport, render_report
from automix.report.plots import PLOTS, draw_png
from automix.search.result import SearchResult
from automix.tracking import Tracker
from automix.verdict import record
from automix.verdict.facts import tags_and_metrics

if TYPE_CHECKING:
    from automix.confirming import Confirmation

__all__ = ["export_results"]


def export_results(
    plan: SearchPlan, result: SearchResult, tracker: Tracker | None = None, confirmation: Confirmation | None = None
) -> Path | None:
    """Write everything; called while the study is still locked, also after a stop.

    Args:
        plan: what was searched.
        result: what was found so far.
        tracker: also shows it in MLflow, on the study's run.
        confirmation: the verdict, once there is one.

    Returns:
        The policy file; None where no trial has trained to the end.

    Raises:
        StorageError: the folder is full or cannot be written.
    """
    outputs = Outputs(result.out)
    try:
        outputs.folder.mkdir(parents=True, exist_ok=True)
        outputs.leaderboard.write_text(csv_text(leaderboard_rows(result)), encoding="utf-8")
        best = best_policy(plan, result, confirmation)
        if best is not None:
            best = save_document(best, outputs.policy, export_files(best, FolderStore.of(plan.work)))
        _write_models(outputs, result, confirmation)
        _write_confirmation(plan, result, outputs, confirmation)
        model = trained_model(result)
        shown, hidden = shown_policies(plan, result, confirmation, model)
        outputs.sheet.write_bytes(method_sheet(plan.data, shown, plan.host.registry, model=model))
        report = tell(plan, result, best, confirmation, shown, model, hidden)
        outputs.report.write_text(render_report(report), encoding="utf-8")
    except OSError as err:
        raise StorageError(f"Cannot write the results to {str(outputs.folder)!r}: {err.strerror}.") from err
    if tracker is not None:
        _show_in_mlflow(tracker, result, outputs, report, confirmation)
    return outputs.policy if best is not None else None


def _write_models(outputs: Outputs, result: SearchResult, confirmation: Confirmation | None) -> None:
    """Bring the trained models to the results, without using their space twice where the file system allows it."""
    if confirmation is None:
        if result.best_checkpoint is not None:
            _link(result.best_checkpoint, outputs.model)
        return
    shutil.rmtree(outputs.models, ignore_errors=True)
    outputs.models.mkdir()
    for name, path in confirmation.models().items():
        _link(path, outputs.models / f"{name}.safetensors")
    best, _ = confirmation.best_round(confirmation.recommended)
    _link(best.model_file, outputs.model)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


def _write_confirmation(
    plan: SearchPlan, result: SearchResult, outputs: Outputs, confirmation: Confirmation | None
) -> None:
    outputs.candidate.unlink(missing_ok=True)
    if confirmation is None:
        return
    outputs.confirm.write_text(csv_text(confirm_rows(confirmation)), encoding="utf-8")
    verdict = confirmation.verdict
    if verdict.kind == "no_difference":
        compared = with_origin(plan, result, confirmation.document(verdict.winner), record(verdict))
        save_document(compared, outputs.candidate, export_files(compared, FolderStore.of(plan.work)))


def _show_in_mlflow(
    tracker: Tracker,
    result: SearchResult,
    outputs: Outputs,
    report: StudyReport,
    confirmation: Confirmation | None,
) -> None:
    if confirmation is not None:
        tracker.conclude(result.parent_run, *tags_and_metrics(confirmation.verdict))
        tracker.describe(result.parent_run, "\n\n".join([report.headline, *report.remarks]))
    for path in (outputs.policy, outputs.leaderboard, outputs.confirm, outputs.sheet, outputs.report):
        if path.exists():
            tracker.artifact(result.parent_run, path, "results")
    for name, _, plot in PLOTS:
        picture = outputs.folder / "plots" / f"{name}.png"
        picture.parent.mkdir(exist_ok=True)
        picture.write_bytes(draw_png(report, plot))
        tracker.artifact(result.parent_run, picture, "plots")
