"""What ``search`` shows at its end: the ranking, what may be said of it, where everything lies, lines to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automix.cli.context import print_paragraph, say, warn
from automix.cli.progress import duration
from automix.cli.ranking import print_ranking

if TYPE_CHECKING:
    from automix.planning import SearchPlan
    from automix.search.account import Account
    from automix.search.result import SearchResult

__all__ = ["result_data", "show_result"]


def show_result(plan: SearchPlan, result: SearchResult) -> None:
    """Print the end of a search for people."""
    from automix.confirming import stored_confirmation
    from automix.outputs import Outputs
    from automix.search.account import load_account
    from automix.summary import headline, is_recommended, remarks, usage_lines

    confirmation = stored_confirmation(plan, result)
    say()
    print_ranking(result.leaderboard, result.goal)
    say()
    for problem in result.problems:
        warn(problem)
    print_paragraph(headline(result, len(plan.data.splits["val"]), confirmation))
    if result.best is not None:
        for remark in remarks(result, confirmation):
            print_paragraph(remark)
    say()
    if account := load_account(result.folder):
        print_paragraph(_cost_text(account))
        say()
    for name, path in _files(result).items():
        say(f"{name:<13} {path}")
    if is_recommended(result, confirmation):
        say()
        say("Use it in your own training loop:")
        say(usage_lines(Outputs(result.out).policy, plan))
    if not result.is_complete:
        say()
        say("Not finished: the same command goes on from here.")


def result_data(plan: SearchPlan, result: SearchResult) -> dict[str, Any]:
    """Return the end of a search for another program."""
    from automix.confirming import stored_confirmation
    from automix.outputs import confirm_rows, leaderboard_rows
    from automix.verdict import record

    confirmation = stored_confirmation(plan, result)
    return {
        "study": result.study,
        "ending": result.ending.value,
        "verdict": None if confirmation is None else record(confirmation.verdict),
        "cost": _cost_data(result),
        "files": _files(result),
        "confirm": [] if confirmation is None else confirm_rows(confirmation),
        "leaderboard": leaderboard_rows(result),
        "problems": list(result.problems),
    }


def _cost_data(result: SearchResult) -> dict[str, Any] | None:
    from dataclasses import asdict

    from automix.search.account import load_account

    account = load_account(result.folder)
    return None if account is None else {name: value for name, value in asdict(account).items() if name != "probe"}


def _cost_text(account: Account) -> str:
    """Say what the search was to cost and what it cost."""
    estimated = f"{duration(account.total_s)} ({duration(account.total_cpu_s)} of processor time)"
    if account.actual_s is None or account.actual_cpu_s is None:
        return f"Cost: estimated at {estimated}."
    took = f"{duration(account.actual_s)} ({duration(account.actual_cpu_s)})"
    return f"Cost: estimated at {estimated}; it took {took}{'' if account.is_whole else ' so far'}."


def _files(result: SearchResult) -> dict[str, str]:
    from automix.outputs import Outputs

    return {name: str(path) for name, path in Outputs(result.out).files().items() if path.exists()}
