"""What ``search`` shows at its end: the ranking, what may be said of it, where everything lies, lines to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automix.cli.context import print_paragraph, say, warn
from automix.cli.ranking import print_ranking

if TYPE_CHECKING:
    from automix.planning import SearchPlan
    from automix.report.verdict import Comparison
    from automix.search.result import SearchResult

__all__ = ["result_data", "show_result"]


def show_result(plan: SearchPlan, result: SearchResult) -> None:
    """Print the end of a search for people."""
    from automix.outputs import Outputs
    from automix.summary import caution, headline, is_recommended, usage_lines

    comparison = _comparison(result)
    say()
    print_ranking(result.leaderboard)
    say()
    for problem in result.problems:
        warn(problem)
    print_paragraph(headline(result, len(plan.data.splits["val"]), comparison))
    if result.best is not None:
        print_paragraph(caution(result, comparison))
    say()
    for name, path in _files(result).items():
        say(f"{name:<13} {path}")
    if result.best is not None and result.leaderboard[0].title != "none":
        say()
        is_good = is_recommended(result, comparison)
        say("Use it in your own training loop:" if is_good else "To try it all the same, in your own training loop:")
        say(usage_lines(Outputs(result.out).policy, plan))
    if not result.is_complete:
        say()
        say("Not finished: the same command goes on from here.")


def result_data(result: SearchResult) -> dict[str, Any]:
    """Return the end of a search for another program."""
    from automix.outputs import leaderboard_rows

    comparison = _comparison(result)
    return {
        "study": result.study,
        "ending": result.ending.value,
        "comparison": None if comparison is None else comparison.to_dict(),
        "files": _files(result),
        "leaderboard": leaderboard_rows(result, comparison),
        "problems": list(result.problems),
    }


def _files(result: SearchResult) -> dict[str, str]:
    from automix.outputs import Outputs

    return {name: str(path) for name, path in Outputs(result.out).files().items() if path.exists()}


def _comparison(result: SearchResult) -> Comparison | None:
    from automix.confirming import stored_comparison
    from automix.search.leaderboard import reference_of

    return stored_comparison(result.folder, result.best, reference_of(result.slots.values()))
