"""A study made by hand, in which every panel of the report has something to show, and names are hostile."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from automix.report import Axis, Noise, StudyReport, TrialRow
from automix.report.gallery import Step, Strip
from automix.report.lams import LamSample
from automix.search.fidelity import RungCorrelation
from automix.search.importance import Importance, Share
from automix.search.pareto import ParetoPoint
from automix.verdict import ArmResult, Difference, Subject, Verdict
from automix.verdict.classes import ClassGain
from automix.verdict.decision import Kind
from automix.verdict.scores import METRICS

EVIL = "<script>alert('x')</script>%{x}"
EPOCHS = 4


def trial(rank: int, slot: int, method: str, top1: float, **more: object) -> TrialRow:
    """A trial that learns evenly; the fields of the row may be given."""
    curves = {
        "val/top1": [top1 * epoch / EPOCHS for epoch in range(1, EPOCHS + 1)],
        "val/logloss": [2.0 / epoch for epoch in range(1, EPOCHS + 1)],
    }
    metrics = {"val/top1": top1, "val/logloss": 0.4, "val/balanced_top1": top1, "val/ece": 0.02, "cost/img_s": 900.0}
    row = TrialRow(rank, slot, f"{method} a=1", method, "complete", top1, metrics=metrics, delta=0.01, curves=curves)
    return replace(row, **more)  # type: ignore[arg-type]  # the tests name its fields


def verdict(kind: Kind = "helps", winner: str = "slot 3") -> Verdict:
    """A verdict with three arms of which two were tested."""
    test = dict.fromkeys(METRICS, (0.9, 0.8))
    arms = (
        ArmResult("slot 3", f"cutmix {EVIL}", {"top1": (0.91, 0.93), "logloss": (0.3, 0.3)}, test),
        ArmResult("none", "none", {"top1": (0.8, 0.7), "logloss": (0.3, 0.3)}, test),
        ArmResult("trivialmix", "trivialmix", {"top1": (0.6, 0.7), "logloss": (0.3, 0.3)}, {}),
    )
    gain = Difference(0.1, 0.05, 0.15, 0.06)
    subject = Subject(f"photos {EVIL}", "resnet18", 5, 100, (7, 8))
    return Verdict(kind, subject, winner, arms, dict.fromkeys(METRICS, gain) if winner != "none" else {}, {})


def picture(kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (12, 33)).save(buffer, kind)
    return buffer.getvalue()


def study() -> StudyReport:
    """The known study: cutmix is ahead of no mixing, mixup was ended early, fmix failed."""
    cutmix = {"mixer": "cutmix", "prob.cutmix": 0.5, "alpha.cutmix": 0.1, "branches": 1}
    second = {"mixer": "none", "branches": 2, "mixer2": "cutmix", "prob2.cutmix": 1.0, "alpha2.cutmix": 10.0}
    trials = [
        trial(1, 3, "cutmix", 0.91, title=f"cutmix {EVIL}", params=cutmix),
        trial(2, 0, "none", 0.9, arm="none", title="none", params={"mixer": "none"}),
        trial(3, 4, "cutmix", 0.85, params=second),
        trial(0, 1, "mixup", 0.7, state="pruned", params={"mixer": "mixup", "prob.mixup": 0.5}),
        TrialRow(0, 2, f"fmix {EVIL}", "fmix", "failed", error=f"it broke: {EVIL}"),
    ]
    rungs = [
        RungCorrelation(spearman=0.1 * epoch, low=-0.2, high=0.9, n=6, epoch=epoch, share=epoch / EPOCHS, metric=metric)
        for metric in ("val/top1", "val/logloss")
        for epoch in range(1, EPOCHS)
    ]
    half = np.array([0.5, 0.25], np.float32)
    return StudyReport(
        study=f"photos {EVIL}",
        headline=f"cutmix leads {EVIL}",
        remarks=[f"one seed {EVIL}"],
        facts={"Data": f"classes cat & {EVIL}"},
        trials=trials,
        verdict=verdict(),
        noise=Noise(0.01, "measured"),
        parameters=[Axis("prob.cutmix", 0.0, 1.0), Axis("alpha.cutmix", 0.1, 10.0, log=True), Axis("prob.mixup", 0, 1)],
        importance=Importance(
            Share("method", 0.4, 0.2), 20, "cutmix", (Share("prob.cutmix", 1.0, 0.9),), 9, "too few to rely on"
        ),
        costs=[
            ParetoPoint(3, f"cutmix {EVIL}", 0.91, 1.3, True),
            ParetoPoint(0, "none", 0.9, 1.0, True),
            ParetoPoint(4, "cutmix", 0.85, 1.4, False),
        ],
        classes=[
            ClassGain(f"cat {EVIL}", "slot 3", 100, 30, 0.9, 0.8, Difference(0.1, 0.05, 0.15, 0.06)),
            ClassGain("dog", "slot 3", 100, 40, 0.7, 0.8, Difference(-0.1, -0.2, 0.0, 0.06)),
            ClassGain("rare", "slot 3", 10, 4, 0.5, 0.5, Difference(0.0, -0.3, 0.3, 0.5)),
        ],
        rungs=rungs,
        lams=[LamSample(f"cutmix {EVIL}", half, half + 0.25, half)],
        strips=[
            Strip(f"cutmix {EVIL}", picture(), 12, 3, (Step(0.0, 0.1, 0.2), Step(1.0, 1.0, 1.0)), (f"cat {EVIL}",)),
            Strip("smoothmix", picture("JPEG"), 12, 33, (Step(0.0, 0.3, 0.3),), ("cat + dog",)),
        ],
        space=[{"name": "mixer", "type": "categorical", "range": "cutmix | none", "scale": "", "condition": ""}],
        left_out=[("gridmix", f"no {EVIL}")],
        policy_yaml=f"classes: ['{EVIL}']",
        usage={"Use it": "import automix"},
        notes=[f"skipped {EVIL}.jpg"],
    )
