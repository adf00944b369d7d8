from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import pytest
from PIL import Image

from automix.report import CurvePoint, StudyReport, TrialRow, render_report
from automix.report.plots import PLOTS, draw_png, draw_svg, fresh_seeds
from automix.verdict import ArmResult, Difference, Subject, Verdict
from automix.verdict.decision import Kind
from automix.verdict.scores import METRICS

EVIL = "<script>alert('x')</script>"


def trial(rank: int, slot: int, method: str, top1: float, **more: object) -> TrialRow:
    curve = [CurvePoint(epoch, top1 * epoch / 3, 2.0 / epoch) for epoch in (1, 2, 3)]
    metrics = {"val/top1": top1, "val/logloss": 0.4, "val/balanced_top1": top1, "val/ece": 0.02, "cost/img_s": 900.0}
    row = TrialRow(rank, slot, f"{method} a=1", method, "complete", metrics=metrics, delta=0.01, curve=curve)
    return replace(row, **more)  # type: ignore[arg-type]  # the tests name its fields


def verdict(kind: Kind) -> Verdict:
    test = dict.fromkeys(METRICS, (0.9, 0.8))
    arms = (
        ArmResult("slot 3", f"cutmix {EVIL}", (0.9, 0.9), test),
        ArmResult("none", "none", (0.8, 0.7), test),
        ArmResult("trivialmix", "trivialmix", (0.6, 0.7), {}),
    )
    gain = Difference(0.1, 0.05, 0.15, 0.06)
    subject = Subject(f"photos {EVIL}", "resnet18", 5, 100, (7, 8))
    return Verdict(kind, subject, "slot 3", arms, dict.fromkeys(METRICS, gain), {})


@pytest.fixture
def picture() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def report(picture: bytes) -> StudyReport:
    trials = [
        trial(1, 3, "cutmix", 0.91),
        trial(2, 0, "none", 0.9, arm="none", title="none"),
        trial(0, 1, "mixup", 0.7, state="pruned"),
        TrialRow(0, 2, f"fmix {EVIL}", "fmix", "failed", error=f"it broke: {EVIL}"),
    ]
    return StudyReport(
        study=f"photos {EVIL}",
        headline=f"cutmix leads {EVIL}",
        remarks=[f"one seed {EVIL}"],
        facts={"Data": f"classes cat & {EVIL}"},
        trials=trials,
        space=[{"name": "mixer", "type": "categorical", "range": "cutmix | none", "scale": "", "condition": ""}],
        left_out=[("gridmix", f"no {EVIL}")],
        policy_yaml=f"classes: ['{EVIL}']",
        usage={"Use it": "import automix"},
        images={"The same pairs": picture},
        notes=[f"skipped {EVIL}.jpg"],
        verdict=verdict("helps"),
    )


class Reader(HTMLParser):
    """Collects tags, what they refer to, and whether they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_page_needs_no_network(report: StudyReport) -> None:
    html = render_report(report)
    references = read(html).references
    assert [ref for ref in references if not ref.startswith(("data:image/png;base64,", "#"))] == []
    assert not re.search(r"@import|url\((?!#)", html)
    addresses = set(re.findall(r"https?://[^\"'<> ]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, not places


def test_whatever_comes_from_outside_is_text(report: StudyReport) -> None:
    html = render_report(report)
    assert "script" not in read(html).tags
    assert EVIL not in html
    assert html.count("&lt;script&gt;") >= 8


def test_page_has_every_section(report: StudyReport) -> None:
    html = render_report(report)
    titles = re.findall(r"<h2>(.*?)</h2>", html)
    assert titles == [
        "On fresh seeds",
        "The same pairs",
        "Leaderboard",
        "Plots",
        "The policy",
        "Use it",
        "What was searched",
        "What was left out, and why",
        "Notes",
    ]
    assert html.count("<svg") == len(PLOTS) + 1


def test_pictures_inside_are_valid(report: StudyReport) -> None:
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", render_report(report))
    assert len(found) == 1
    with Image.open(BytesIO(base64.b64decode(found[0]))) as image:
        image.verify()


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [TrialRow(0, 0, "none", "none", "failed", arm="none", error="no memory")],
        [TrialRow(0, 0, "none", "none", "running", arm="none")],
        [trial(0, 0, "cutmix", 0.4, state="pruned")],
        [trial(1, 0, "cutmix", 0.4, delta=None)],
    ],
    ids=["nothing begun", "all failed", "nothing finished", "all pruned", "no reference"],
)
def test_page_and_plots_work_whatever_became_of_the_trials(report: StudyReport, trials: list[TrialRow]) -> None:
    poor = replace(report, trials=trials, policy_yaml="", usage={}, images={}, verdict=None)
    read(render_report(poor))
    for _, _, plot in PLOTS:
        draw_png(poor, plot)


@pytest.mark.parametrize("plot", [plot for _, _, plot in PLOTS], ids=[name for name, _, _ in PLOTS])
def test_plots_are_pictures_and_repeat(report: StudyReport, plot: object) -> None:
    with Image.open(BytesIO(draw_png(report, plot))) as image:  # type: ignore[arg-type]
        image.verify()
    assert draw_svg(report, plot) == draw_svg(report, plot)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["helps", "no_difference", "do_not_mix"])
def test_color_of_the_headline_follows_the_verdict(report: StudyReport, kind: Kind) -> None:
    assert f'class="headline {kind}"' in render_report(replace(report, verdict=verdict(kind)))


def test_arms_whose_test_images_stayed_closed_say_so(report: StudyReport) -> None:
    assert render_report(report).count("not opened") == 1


def test_fresh_seeds_are_drawn_also_where_no_mixing_won(report: StudyReport) -> None:
    alone = replace(report, verdict=replace(verdict("do_not_mix"), winner="none", to_none={}))
    for shown in (report, alone):
        with Image.open(BytesIO(draw_png(shown, fresh_seeds))) as image:
            image.verify()
