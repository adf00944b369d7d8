"""Each policy of the verdict on every fresh seed, and the winner's gain with its interval."""

from __future__ import annotations

from statistics import mean

from plotly.graph_objects import Figure, Scatter

from automix.goal import Goal
from automix.report.model import StudyReport, axis_title, shown
from automix.report.panel import NothingToShow, Picture, Table, View, wrapped
from automix.report.style import ACCENT, BAD, GOOD, INK, SOFT, figure, translucent
from automix.verdict import ArmResult, Difference, Verdict

__all__ = ["fresh_seeds"]

_OFFSET = 0.16
_ROW, _AROUND = 46, 96


def fresh_seeds(report: StudyReport) -> View:
    """Draw the goal on validation and test by seed, and the differences that the verdict rests on."""
    verdict = report.verdict
    if verdict is None:
        raise NothingToShow(
            "No policy has been trained on fresh seeds, so there is no verdict yet: the search was stopped before, or "
            "was asked for none (--confirm 0)."
        )
    goal = verdict.goal
    n, n_opened = len(verdict.subject.seeds), sum(bool(arm.test) for arm in verdict.arms)
    pictures = [Picture(_by_seed(verdict), f"{goal.title} of {len(verdict.arms)} policies on {n} seeds, a dot each.")]
    compared = _compared(verdict)
    if compared:
        alt = "; ".join(f"{name}: {one.text(goal)}" for name, one in compared.items())
        level = 100 * next(iter(compared.values())).level
        pictures.append(Picture(_gains(compared, goal), alt, f"Difference on test, {level:.4g} % interval"))
    return View(
        f"Every policy was trained again on the same {n} seeds, which the search had not used. Validation (hollow) "
        f"chose the winner; the test images were opened for the {n_opened} policies with filled marks "
        "alone. An interval that touches zero shows no difference.",
        pictures,
        _table(verdict),
    )


def _by_seed(verdict: Verdict) -> Figure:
    rows = list(enumerate(verdict.arms[::-1]))
    goal = verdict.goal
    made = figure(x=axis_title(goal, on=""), height=_AROUND + _ROW * len(rows))
    for is_test, name in ((False, "validation"), (True, "test")):
        marks = [
            (shown(goal, value), row + (-_OFFSET if is_test else _OFFSET), seed, _colour(arm, verdict))
            for row, arm in rows
            for seed, value in zip(
                verdict.subject.seeds, (arm.test if is_test else arm.val).get(goal.key, ()), strict=False
            )
        ]
        colours = [colour for *_, colour in marks]
        made.add_trace(
            Scatter(
                x=[value for value, *_ in marks],
                y=[y for _, y, *_ in marks],
                customdata=[seed for *_, seed, _ in marks],
                mode="markers",
                name=name,
                marker={
                    "size": 10 if is_test else 9,
                    "color": colours if is_test else "white",
                    "line": {"color": colours, "width": 2},
                },
                hovertemplate=f"{name}, seed %{{customdata}}: %{{x:.4g}}<extra></extra>",
            )
        )
    titles = [f"<b>{wrapped(arm.title)}</b>" if arm.name == verdict.winner else wrapped(arm.title) for _, arm in rows]
    made.update_yaxes(tickvals=[row for row, _ in rows], ticktext=titles, range=[-0.6, len(rows) - 0.4])
    return made


def _colour(arm: ArmResult, verdict: Verdict) -> str:
    return INK if arm.name == "none" else ACCENT if arm.name == verdict.winner else SOFT


def _compared(verdict: Verdict) -> dict[str, Difference]:
    against = {"no mixing": verdict.to_none, "the library default": verdict.to_default}
    winner = "no mixing" if verdict.winner == "none" else "winner"
    return {f"{winner} minus {other}": found[verdict.goal.key] for other, found in against.items() if found}


def _gains(compared: dict[str, Difference], goal: Goal) -> Figure:
    made = figure(x=f"{goal.title}, {goal.unit}", height=_AROUND - 20 + _ROW * len(compared), legend=False)
    for row, difference in enumerate(reversed(compared.values())):
        is_gain, is_loss = difference.is_above, difference.is_below
        if not goal.maximize:
            is_gain, is_loss = is_loss, is_gain
        colour = GOOD if is_gain else BAD if is_loss else SOFT
        made.add_trace(
            Scatter(
                x=[shown(goal, difference.low), shown(goal, difference.high)],
                y=[row, row],
                mode="lines",
                line={"color": translucent(colour, 0.45), "width": 10},
                hoverinfo="skip",
            )
        )
        made.add_trace(
            Scatter(
                x=[shown(goal, difference.mean)],
                y=[row],
                mode="markers+text",
                text=[goal.change(difference.mean, with_unit=False)],
                textposition="top center",
                marker={"size": 12, "color": colour},
                hovertemplate=f"{difference.text(goal)}<extra></extra>",
            )
        )
    names = [wrapped(name) for name in reversed(compared)]
    made.update_yaxes(tickvals=list(range(len(names))), ticktext=names, range=[-0.5, len(names) - 0.3])
    ends = [shown(goal, end) for one in compared.values() for end in (one.low, one.high)] + [0.0]
    room = 0.06 * (max(ends) - min(ends))
    made.update_xaxes(range=[min(ends) - room, max(ends) + room])
    made.add_vline(x=0, line={"color": INK, "width": 1, "dash": "dash"})
    return made


def _table(verdict: Verdict) -> Table:
    """Tell every metric that was measured; the goal on validation first."""
    names = list(dict.fromkeys(name for arm in verdict.arms for name in arm.test))
    titles = [name.replace("_", " ") for name in names]
    rows = [
        [arm.title, verdict.goal.text(mean(arm.val[verdict.goal.key])), *(_mean(arm, name) for name in names)]
        for arm in verdict.arms
    ]
    return Table(["policy", f"{verdict.goal.title}, validation", *(f"{title}, test" for title in titles)], rows)


def _mean(arm: ArmResult, name: str) -> str:
    return f"{mean(arm.test[name]):.4f}" if arm.test else "not opened"
