from __future__ import annotations

import base64
import json
import logging
import random
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from plotly.offline import get_plotlyjs
from report_studies import EVIL, study, trial, verdict

from automix.report import StudyReport, TrialRow, render_report
from automix.report.panel import Panel, View
from automix.report.panels import PANELS
from automix.verdict.decision import Kind


class Reader(HTMLParser):
    """Collects tags, what they refer to, text, and whether they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.figures: list[dict[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if "data-figure" in dict(attrs):
            self.figures.append(dict(attrs))
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html.replace(get_plotlyjs(), ""))
    assert reader.open == []
    return reader


def figures_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html)
    assert found is not None
    figures: dict[str, Any] = json.loads(found.group(1))
    return figures


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(study())


def test_page_needs_no_network_and_forbids_it(page: str) -> None:
    references = read(page).references
    assert [ref for ref in references if not ref.startswith(("data:image/", "#"))] == []
    own = page.replace(get_plotlyjs(), "")
    assert not re.search(r"@import|url\((?!#)|https?://", own)
    assert "default-src 'none'" in own
    assert page.count("</script>") == 3  # figures, plotly, ours: no script ends before its end


def test_whatever_comes_from_outside_is_text(page: str) -> None:
    reader = read(page)
    assert reader.tags.count("script") == 3
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;") >= 8
    labels = json.dumps(figures_of(page))
    assert "<script>" not in labels
    assert "%{x}</" not in labels.replace("%{x}<extra>", "")


def test_every_figure_is_there_and_told_to_those_who_cannot_see_it(page: str) -> None:
    places = read(page).figures
    assert {place["data-figure"] for place in places} == set(figures_of(page))
    for place in places:
        assert place["role"] == "img"
        assert place["aria-label"]


def test_page_tells_the_story_in_order(page: str) -> None:
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles[:3] == ["On fresh seeds", "The policy", "Which classes gain"]
    assert titles[-2:] == ["Leaderboard", "What this rests on"]
    assert len(titles) == len(PANELS) + 3
    assert page.index("<h1>Mixing helps</h1>") < page.index("+10.00 points") < page.index("On fresh seeds</h2>")


def test_links_lead_somewhere(page: str) -> None:
    targets = [ref for ref in read(page).references if ref.startswith("#")]
    assert [ref for ref in targets if f'id="{ref[1:]}"' not in page] == []
    ids = re.findall(r' id="([^"]+)"', page.replace(get_plotlyjs(), ""))
    assert len(ids) == len(set(ids))


def test_pictures_inside_are_valid(page: str) -> None:
    found = re.findall(r"data:image/(png|jpeg);base64,([A-Za-z0-9+/=]+)", page.replace(get_plotlyjs(), ""))
    assert [kind for kind, _ in found] == ["png", "jpeg"]
    for kind, content in found:
        with Image.open(BytesIO(base64.b64decode(content))) as image:
            assert image.format == kind.upper()


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [TrialRow(0, 0, "none", "none", "failed", arm="none", error="no memory")],
        [TrialRow(0, 0, "none", "none", "running", arm="none")],
        [trial(0, 0, "cutmix", 0.4, state="pruned")],
        [trial(1, 0, "cutmix", 0.4, delta=None)],
        [trial(1, 0, "cutmix", float("nan"))],
    ],
    ids=["nothing begun", "all failed", "nothing finished", "all pruned", "no reference", "diverged"],
)
def test_page_is_written_whatever_became_of_the_trials(trials: list[TrialRow]) -> None:
    html = render_report(StudyReport("a", "b", [], {}, trials))
    reader = read(html)
    assert "No verdict yet" in reader.text
    assert "could not be drawn" not in reader.text
    assert reader.text.count("No policy has been trained on fresh seeds") == 1


def test_panel_that_raises_is_named_and_the_rest_stands(caplog: pytest.LogCaptureFixture) -> None:
    def broken(report: StudyReport) -> View:
        raise ZeroDivisionError("of <nothing>")

    panels = [*PANELS[:2], Panel("odd", "An odd panel", broken)]
    with caplog.at_level(logging.WARNING):
        text = read(render_report(study(), panels)).text
    assert "This panel could not be drawn: ZeroDivisionError: of <nothing>" in text
    assert "'odd'" in caplog.text
    assert "Every policy was trained again" in text


def test_what_could_not_be_gathered_is_told_in_its_panel() -> None:
    text = read(render_report(replace(study(), lams=(), problems={"lam": f"PluginError: {EVIL}"}))).text
    assert f"This could not be measured: PluginError: {EVIL}" in text


@pytest.mark.parametrize("kind", ["helps", "no_difference", "do_not_mix"])
def test_color_and_words_follow_the_verdict(kind: Kind) -> None:
    html = render_report(replace(study(), verdict=verdict(kind)), PANELS[:1])
    words = {"helps": "Mixing helps", "no_difference": "No difference found", "do_not_mix": "Do not mix"}
    assert f'<header class="{kind}">' in html
    assert f"<h1>{words[kind]}</h1>" in html


def test_large_study_stays_small_and_quick() -> None:
    draw = random.Random(0)
    names = ("cutmix", "mixup", "fmix", "gridmix", "resizemix")
    trials = [
        replace(
            trial(i + 1, i, draw.choice(names), draw.random(), title=f"policy {i} with a title of usual length"),
            params={f"prob.{name}": draw.random() for name in names},
            curves={"val/top1": [draw.random() for _ in range(60)], "val/logloss": [draw.random() for _ in range(60)]},
            state="pruned" if i % 3 == 0 else "complete",
        )
        for i in range(500)
    ]
    begun = time.process_time()
    html = render_report(replace(study(), trials=trials, parameters=study().parameters))
    assert time.process_time() - begun < 60  # about 5 s on an idle core
    assert len(html) - len(get_plotlyjs()) < 2_000_000
    assert "475 more" in html
