"""A comparison of a study's runs, prepared in the form that MLflow's interface stores behind its "Share" button.

The interface keeps such a view as JSON in a tag of the experiment and opens it for a link with `viewStateShareKey`.
That form is not documented; it was read from MLflow 3.17. One that the interface does not understand costs no more
than the view: it says so and shows the plain page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from automix.errors import SpaceError
from automix.tracking import keys

__all__ = ["compare_view", "short_names_distinct", "view_key"]

_LABEL_WIDTH = 10
_COLUMNS = (keys.BEST_TOP1, keys.DELTA_TOP1, keys.BEST_LOGLOSS, keys.COST_OVERHEAD)
_METRIC_SECTIONS = ("best", "val", "train", "delta", "cost", "Model metrics", "System metrics")
_LINES = (keys.VAL_TOP1, keys.VAL_LOGLOSS)


def view_key(study: str) -> str:
    """Return the key of a study's view: the same at each start, and free of what a link would have to escape."""
    return "automix" + hashlib.blake2b(study.encode(), digest_size=8).hexdigest()


def compare_view(study: str, params: Sequence[str]) -> str:
    """Return the view as text for the experiment's tag.

    A parallel-coordinates chart leaves out runs that lack one of its axes. With a conditional space no run has all
    parameters, so the study gets one chart over what all runs share, and each method one with its own parameters.

    Args:
        study: the view shows the runs of this study.
        params: the searched parameters ("mixer", "alpha.cutmix", "prob.cutmix", ...).
    """
    overview = "overview"
    methods = "methods"
    charts = [
        _parallel(overview, "all methods", [keys.MIXER], (keys.COST_OVERHEAD, keys.BEST_LOGLOSS, keys.BEST_TOP1)),
        *(_chart("LINE", overview, metric, metricKey=metric) for metric in _LINES),
        _scatter(overview, "accuracy against cost", keys.COST_OVERHEAD, keys.BEST_TOP1),
        *(_parallel(methods, method, names, (keys.BEST_TOP1,)) for method, names in _by_method(params).items()),
    ]
    state = {
        "searchFilter": f"tags.`{keys.STUDY}` = '{study}' and tags.`{keys.KIND}` = '{keys.KIND_SLOT}'",
        "orderByKey": f"metrics.`{keys.BEST_TOP1}`",
        "orderByAsc": False,
        "selectedColumns": [f"params.`{keys.MIXER}`", *(f"metrics.`{name}`" for name in _COLUMNS)],
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": charts,
        # Every metric gets a chart of its own as well, in a section named by what stands before its slash: closed here.
        "compareRunSections": [
            _section(overview, "Overview", is_open=True),
            _section(methods, "Methods", is_open=True),
            *(_section(name, name, is_open=False) for name in _METRIC_SECTIONS),
        ],
        "isAccordionReordered": True,  # keeps this order; otherwise it is alphabetical
    }
    return json.dumps(state, separators=(",", ":"))


def short_names_distinct(names: Iterable[str], width: int = _LABEL_WIDTH) -> None:
    """Check that no two parameter names read alike in a chart, which shows their first ``width`` characters.

    Raises:
        SpaceError: with the names that do (mlflow/mlflow#15484: such axes are merged).

    Example:
        >>> short_names_distinct(["alpha.cutmix", "alpha.mixup"])
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name[:width], name)
        if other != name:
            raise SpaceError(
                f"Expected parameter names that differ within {width} characters, where MLflow cuts them, "
                f"but got {other!r} and {name!r}. Give one of the two a shorter or different name."
            )


def _by_method(params: Sequence[str]) -> Mapping[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in params:
        _, dot, method = name.partition(".")
        if dot:
            groups.setdefault(method, []).append(name)
    return dict(sorted(groups.items()))


def _chart(kind: str, section: str, title: str, **more: Any) -> dict[str, Any]:
    # The interface looks charts up by their id; any text serves as long as it occurs once.
    identity = {"uuid": f"automix-{kind}-{section}-{title}", "type": kind, "metricSectionId": section}
    return {**identity, "displayName": title, "runsCountToCompare": 100, "deleted": False, "isGenerated": False, **more}


def _parallel(section: str, title: str, params: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    # The last axis colours the lines.
    axes = {"selectedParams": list(params), "selectedMetrics": list(metrics), "showAllRuns": True}
    return _chart("PARALLEL", section, title, **axes)


def _scatter(section: str, title: str, x: str, y: str) -> dict[str, Any]:
    return _chart("SCATTER", section, title, xaxis={"key": x, "type": "METRIC"}, yaxis={"key": y, "type": "METRIC"})


def _section(identity: str, name: str, *, is_open: bool) -> dict[str, Any]:
    flags = {"display": is_open, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": identity, "name": name, **flags}
