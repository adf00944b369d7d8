from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image
from report_studies import study, trial

from automix.report import StudyReport
from automix.report.plots import PLOTS, draw_png

POOR = StudyReport("a", "b", [], {}, [])


@pytest.mark.parametrize("report", [study(), POOR, replace(POOR, trials=[trial(0, 0, "fmix", 0.4, state="pruned")])])
@pytest.mark.parametrize("plot", [plot for _, _, plot in PLOTS], ids=[name for name, _, _ in PLOTS])
def test_plots_for_mlflow_are_pictures_whatever_became_of_the_trials(plot: object, report: StudyReport) -> None:
    with Image.open(BytesIO(draw_png(report, plot))) as image:  # type: ignore[arg-type]  # of the table
        image.verify()
