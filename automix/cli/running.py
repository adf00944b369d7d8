"""What ``search`` and ``resume`` do once they know what to run: say what it costs, run it, show what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from automix.cli.context import App, print_json, warn
from automix.cli.progress import search_display, waiting

if TYPE_CHECKING:
    from automix.planning import SearchPlan

__all__ = ["EXIT_STOPPED", "run"]

EXIT_STOPPED = 130


def run(options: App, plan: SearchPlan, *, is_dry: bool = False, as_json: bool = False) -> None:
    """Run a plan; exits with 130 where it was stopped.

    Args:
        options: of the call.
        plan: what to run.
        is_dry: end after saying what it costs.
        as_json: print the result alone, as JSON.
    """
    from automix.api import execute
    from automix.cli.closing import result_data, show_result
    from automix.cli.overview import plan_data, show_cost, show_plan
    from automix.costing import known_slots, measure_cost

    options.tell_problems(options.host)
    if not as_json:
        show_plan(plan)
    with waiting("Measuring a few training steps of every method"):
        estimator = measure_cost(plan)
    estimate = None if estimator is None else estimator.estimate(known_slots(plan))
    if not as_json:
        show_cost(plan, estimate)
    if is_dry:
        if as_json:
            print_json(plan_data(plan, estimate))
        return
    with search_display(is_quiet=as_json) as display:
        announce = warn if as_json else display.say
        result = execute(plan, listener=display.show, announce=announce, estimator=estimator)
    if as_json:
        print_json(result_data(plan, result))
    else:
        show_result(plan, result)
    if result.ending.value == "stopped":
        raise typer.Exit(EXIT_STOPPED)
