"""The last step of a search: its leader and no mixing, trained again in pairs on fresh seeds.

Every finished training is kept in the study's folder: the same command goes on after an interruption, and a leader that
stays the leader of an extended search is not trained again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from automix.errors import AutomixError
from automix.planning import SearchPlan
from automix.policy import PolicyDocument
from automix.report.verdict import Comparison
from automix.search.folder import StudyFolder, replace_text
from automix.search.leaderboard import reference_of
from automix.search.ledger import SlotRecord
from automix.search.result import SearchResult
from automix.search.supervisor import Ending

__all__ = ["confirm_leader", "stored_comparison", "trainings"]

_FILE = "confirm.json"

_Runs = dict[str, dict[str, float]]
"""Policy key -> seed -> test accuracy."""


def trainings(plan: SearchPlan) -> int:
    """Count the trainings that confirming takes."""
    return 2 * plan.confirm


def confirm_leader(plan: SearchPlan, result: SearchResult, announce: Callable[[str], None]) -> Comparison | None:
    """Train the leader and no mixing on fresh seeds and look at the test images.

    Args:
        plan: of the search.
        result: what it found.
        announce: told before and after each training.

    Returns:
        The comparison; None where none was asked for, the search was stopped, or the leader is no mixing.
    """
    best, none = result.best, reference_of(result.slots.values())
    if not plan.confirm or result.ending is Ending.STOPPED or best is None or none is None or not _is_mixing(best):
        return None
    from automix.search.confirm import confirm, fresh_seeds

    runs = _read(result.folder)
    seeds = fresh_seeds(plan.config.seed, plan.confirm)
    missing = [(seed, slot) for seed in seeds for slot in (none, best) if str(seed) not in runs.get(_key(slot), {})]
    if missing:
        announce(f"Training the leader and no mixing on {len(seeds)} fresh seeds, {len(missing)} trainings:")
    for i, (seed, slot) in enumerate(missing, start=1):
        title, document = slot.proposal.title, PolicyDocument.from_dict(slot.proposal.policy)
        try:
            (run,) = confirm(plan.data, {title: document}, plan.settings, [seed], registry=plan.host.registry).runs
        except AutomixError as err:
            announce(f"No comparison on fresh seeds: {title} failed there: {err}")
            return None
        runs.setdefault(_key(slot), {})[str(seed)] = run.metrics["test/top1"]
        _write(result.folder, runs, len(plan.data.splits["test"]))
        announce(f"[{i}/{len(missing)}] {title}: {100 * run.metrics['test/top1']:.2f} % of the test images")
    return stored_comparison(result.folder, best, none)


def stored_comparison(folder: StudyFolder, best: SlotRecord | None, none: SlotRecord | None) -> Comparison | None:
    """Return the comparison that was made for this leader, if there is one."""
    if best is None or none is None or not _is_mixing(best):
        return None
    runs = _read(folder)
    own, reference = runs.get(_key(best), {}), runs.get(_key(none), {})
    seeds = [seed for seed in own if seed in reference]
    if not seeds:
        return None
    return Comparison(
        policy=best.proposal.title,
        seeds=tuple(map(int, seeds)),
        own=tuple(own[seed] for seed in seeds),
        none=tuple(reference[seed] for seed in seeds),
        n_test=int(json.loads(_file(folder).read_text(encoding="utf-8"))["n_test"]),
    )


def _is_mixing(slot: SlotRecord) -> bool:
    return PolicyDocument.from_dict(slot.proposal.policy).is_mixing


def _key(slot: SlotRecord) -> str:
    return slot.proposal.key


def _file(folder: StudyFolder) -> Path:
    return folder.path / _FILE


def _read(folder: StudyFolder) -> _Runs:
    if not _file(folder).exists():
        return {}
    runs: _Runs = json.loads(_file(folder).read_text(encoding="utf-8"))["runs"]
    return runs


def _write(folder: StudyFolder, runs: _Runs, n_test: int) -> None:
    replace_text(_file(folder), json.dumps({"n_test": n_test, "runs": runs}, indent=1) + "\n")
