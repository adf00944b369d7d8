"""A study taken up by its name: what was asked at its latest start, asked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automix.errors import StudyError
from automix.planning import SearchPlan, SearchRequest, plan_search
from automix.search.config import StudyConfig, load_config
from automix.search.folder import StudyFolder
from automix.search.reading import find_study

if TYPE_CHECKING:
    from automix.manager import PluginHost

__all__ = ["plan_again"]


def plan_again(
    work: Path,
    study: str,
    host: PluginHost,
    progress: Callable[[int, int, str], None] | None = None,
    **changes: Any,
) -> SearchPlan:
    """Plan a study as it was asked for last.

    Args:
        work: the work folder.
        study: its name; empty for the one that was started last.
        host: the plugins.
        progress: told how decoding gets on.
        changes: fields of `SearchRequest` that are asked for otherwise; None for those that are not.

    Raises:
        StudyError: there is no such study, it does not say what was asked, or its plugins are others by now.
        AutomixError: as for `plan_search`.
    """
    folder, stored = find_study(work, study)
    if not stored.asked:
        raise StudyError(
            f"Study {stored.name!r} does not say what was asked: its images came from Python, or it is of an earlier "
            f"version. Run the same search again to go on with it."
        )
    values = {**stored.asked, "name": _first(folder, stored), "work": work, "out": Path(stored.out)}
    request = SearchRequest(**{**values, **{name: value for name, value in changes.items() if value is not None}})
    plan = plan_search(request, host, progress)
    if plan.config.name != stored.name:
        raise StudyError(
            f"The plugins or the space are not those of study {stored.name!r} any more. Restore them; or run the same "
            f"search again, which takes its trials over into another study."
        )
    # A study that followed another one has a folder of its own already.
    return replace(plan, config=replace(plan.config, out=stored.out))


def _first(folder: StudyFolder, config: StudyConfig) -> str:
    """Return the name under which the study, or the first of those that it followed, was asked for."""
    while config.succeeds:
        config = load_config(StudyFolder(folder.work, config.succeeds))
    return config.name
