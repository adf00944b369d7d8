"""What a search leaves in its results folder, for people and for the trainer that comes next."""

from __future__ import annotations

import csv
import os
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
from automix.summary import facts, headline, is_recommended, remarks, usage_lines
from automix.tracking import Tracker, keys
from automix.verdict import record
from automix.verdict.scores import METRICS

if TYPE_CHECKING:
    from automix.confirming import Confirmation
    from automix.data import DataSet
    from automix.registry import Registry
    from automix.verdict import Verdict

__all__ = [
    "LEADERBOARD_METRICS",
    "Outputs",
    "confirm_rows",
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
        """The policy to train with."""
        return self.folder / "policy.yaml"

    @property
    def candidate(self) -> Path:
        """The policy that was compared with no mixing where no difference was found."""
        return self.folder / "candidate.yaml"

    @property
    def leaderboard(self) -> Path:
        """Every slot, a row each."""
        return self.folder / "leaderboard.csv"

    @property
    def confirm(self) -> Path:
        """Every training on a fresh seed, a row each."""
        return self.folder / "confirm.csv"

    @property
    def models(self) -> Path:
        """The models of those trainings."""
        return self.folder / "models"

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
        """A model trained with the policy: of the fresh seeds the best on validation, without them the best trial's."""
        return self.folder / "model.safetensors"

    def files(self) -> dict[str, Path]:
        """Name what lies there, in the order in which a person looks."""
        return {
            "report": self.report,
            "policy": self.policy,
            "candidate": self.candidate,
            "model": self.model,
            "all models": self.models,
            "fresh seeds": self.confirm,
            "leaderboard": self.leaderboard,
            "contact sheet": self.sheet,
        }


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
        outputs.leaderboard.write_text(_csv(leaderboard_rows(result)), encoding="utf-8")
        best = _best_policy(plan, result, confirmation)
        if best is not None:
            best = save_document(best, outputs.policy)
        _write_models(outputs, result, confirmation)
        _write_confirmation(plan, result, outputs, confirmation)
        sheet = method_sheet(plan.data, _shown_policies(plan, best), plan.host.registry)
        outputs.sheet.write_bytes(sheet)
        report = _report(plan, result, best, sheet, confirmation)
        outputs.report.write_text(render_report(report), encoding="utf-8")
    except OSError as err:
        raise StorageError(f"Cannot write the results to {str(outputs.folder)!r}: {err.strerror}.") from err
    if tracker is not None:
        _show_in_mlflow(tracker, result, outputs, report, confirmation)
    return outputs.policy if best is not None else None


def leaderboard_rows(result: SearchResult) -> list[dict[str, Any]]:
    """Return the ranking as flat rows, for CSV and JSON; see `leaderboard_row`."""
    return [leaderboard_row(row, result.slots[row.slot]) for row in result.leaderboard]


def confirm_rows(confirmation: Confirmation) -> list[dict[str, Any]]:
    """Return the trainings on fresh seeds as flat rows; what no test image was opened for is None there."""
    models = list(confirmation.models())
    rows: list[dict[str, Any]] = []
    for arm, rounds in confirmation.rounds.items():
        test = confirmation.verdict.arm(arm).test
        for i, (one, trained) in enumerate(rounds):
            rows.append(
                {
                    "arm": arm,
                    "policy": one.entrant.title,
                    "seed": one.seed,
                    keys.VAL_TOP1: trained.val_top1,
                    keys.VAL_LOGLOSS: trained.val_logloss,
                    **{f"test/{name}": test[name][i] if test else None for name in METRICS},
                    "temperature": trained.temperature,
                    "model": f"models/{models[len(rows)]}.safetensors",
                    "policy_key": one.entrant.key,
                }
            )
    return rows


def leaderboard_row(row: LeaderboardRow, slot: SlotRecord) -> dict[str, Any]:
    """Flatten one row: identity, metrics of the last epoch (shares, nats), cost."""
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


def _best_policy(plan: SearchPlan, result: SearchResult, confirmation: Confirmation | None) -> PolicyDocument | None:
    """Return the policy to train with, and what a reader must know about where it comes from.

    Without a verdict it is the leading one; with one it is the winner if that is shown to help, else no mixing.
    """
    if confirmation is not None:
        return _with_origin(plan, result, confirmation.document(confirmation.recommended), record(confirmation.verdict))
    if result.document is None or result.best is None:
        return None
    row = result.leaderboard[0]
    metrics = {name: round(float(row.metrics[name]), 6) for name in LEADERBOARD_METRICS if name in row.metrics}
    kind = {"kind": "single-seed ranking", "note": f"{headline(result, len(plan.data.splits['val']))} {result.note}"}
    verdict: dict[str, Any] = {**kind, **metrics}
    if row.delta_top1 is not None:
        verdict["delta_top1_to_no_mixing"] = round(row.delta_top1, 6)
    return _with_origin(plan, result, PolicyDocument.from_dict(result.document), verdict)


def _with_origin(
    plan: SearchPlan, result: SearchResult, document: PolicyDocument, verdict: Mapping[str, Any]
) -> PolicyDocument:
    slots = [slot for slot, record in result.slots.items() if record.proposal.key == document.key()]
    found_by = {
        "study": result.study,
        "data": plan.data.name,
        "content_hash": plan.data.fingerprint.content_hash,
        "trials": len(result.slots),
        **({"slot": min(slots)} if slots else {}),
        "versions": dict(plan.config.versions),
    }
    fields = {
        "classes": plan.data.classes,
        "found_by": found_by,
        "verdict": dict(verdict),
        "trained_with": plan.settings.to_dict(),
    }
    return document.model_copy(update=fields)


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
    outputs.confirm.write_text(_csv(confirm_rows(confirmation)), encoding="utf-8")
    verdict = confirmation.verdict
    if verdict.kind == "no_difference":
        compared = _with_origin(plan, result, confirmation.document(verdict.winner), record(verdict))
        save_document(compared, outputs.candidate)


def _shown_policies(plan: SearchPlan, best: PolicyDocument | None) -> dict[str, PolicyDocument]:
    """The winner first, then every method of the space with its published settings."""
    shown = {} if best is None else {"best": best}
    return {**shown, **{name: plan.space.defaults(name) for name in plan.space.mixers if name != "none"}}


def _report(
    plan: SearchPlan, result: SearchResult, best: PolicyDocument | None, sheet: bytes, confirmation: Confirmation | None
) -> StudyReport:
    policy = Outputs(result.out).policy
    return StudyReport(
        study=result.study,
        headline=headline(result, len(plan.data.splits["val"]), confirmation),
        remarks=remarks(result, confirmation),
        facts=facts(plan, result),
        trials=[_trial_row(row, result.slots[row.slot]) for row in result.leaderboard],
        verdict=None if confirmation is None else confirmation.verdict,
        space=[row._asdict() for row in plan.space.summary()],
        left_out=plan.space.left_out,
        policy_yaml="" if best is None else dump_yaml(best.to_dict()),
        usage={"Use it": usage_lines(policy, plan)} if is_recommended(result, confirmation) else {},
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


def _show_in_mlflow(
    tracker: Tracker,
    result: SearchResult,
    outputs: Outputs,
    report: StudyReport,
    confirmation: Confirmation | None,
) -> None:
    if confirmation is not None:
        tracker.conclude(result.parent_run, *_mlflow_verdict(confirmation.verdict))
        tracker.describe(result.parent_run, "\n\n".join([report.headline, *report.remarks]))
    for path in (outputs.policy, outputs.leaderboard, outputs.confirm, outputs.sheet, outputs.report):
        if path.exists():
            tracker.artifact(result.parent_run, path, "results")
    for name, _, plot in PLOTS:
        picture = outputs.folder / "plots" / f"{name}.png"
        picture.parent.mkdir(exist_ok=True)
        picture.write_bytes(draw_png(report, plot))
        tracker.artifact(result.parent_run, picture, "plots")


def _mlflow_verdict(verdict: Verdict) -> tuple[dict[str, str], dict[str, float]]:
    """Return tags and metrics of the study's run."""
    tags = {keys.VERDICT: verdict.kind, keys.WINNER: verdict.arm(verdict.winner).title}
    gain = verdict.gain
    if gain is None:
        return tags, {}
    return tags, {keys.GAIN: gain.mean, keys.GAIN_LOW: gain.low, keys.GAIN_HIGH: gain.high}
