"""The account of a search: what it was estimated to cost, beside what it took, in ``estimate.json`` of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from automix.search.config import StudyConfig
from automix.search.cost import Cost
from automix.search.estimate import Estimator
from automix.search.folder import StudyFolder, replace_text
from automix.search.ledger import SlotRecord
from automix.search.probe import Probe

__all__ = ["Account", "load_account", "save_account"]

FORMAT = "automix.estimate/1"


@dataclass(frozen=True, kw_only=True)
class Account:
    """One start of a search; the latest one is kept. Seconds: ``_s`` on the clock, ``_cpu_s`` of the processors.

    Attributes:
        n_trials: slots that were to be done.
        n_trainings: trainings on fresh seeds, at most.
        n_workers: how many train at once.
        trial_s: estimate of a typical trial.
        trial_cpu_s: likewise.
        search_s: estimate of all trials.
        search_cpu_s: likewise.
        confirm_s: estimate of the trainings on fresh seeds.
        confirm_cpu_s: likewise.
        total_s: estimate of everything, before it started.
        total_cpu_s: likewise.
        corrected_s: estimate of everything when half of the trials were done; None before.
        actual_s: what it took; None until it ended.
        actual_cpu_s: likewise.
        is_whole: whether all of it was done; else what it took cannot be compared.
        by_method: estimated seconds on the clock of a whole trial, by method.
        probe: what was measured (`automix.search.probe.Probe`), from which the rest can be estimated again.
    """

    n_trials: int
    n_trainings: int
    n_workers: int
    trial_s: float
    trial_cpu_s: float
    search_s: float
    search_cpu_s: float
    confirm_s: float
    confirm_cpu_s: float
    total_s: float
    total_cpu_s: float
    corrected_s: float | None = None
    actual_s: float | None = None
    actual_cpu_s: float | None = None
    is_whole: bool = False
    by_method: dict[str, float] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, estimator: Estimator, slots: Mapping[int, SlotRecord]) -> Account:
        """Open the account of a search that is about to start, with these slots handed out before."""
        estimate = estimator.estimate(slots)
        return cls(
            n_trials=estimate.n_trials,
            n_trainings=estimate.n_trainings,
            n_workers=estimator.n_workers,
            trial_s=estimate.trial.wall_s,
            trial_cpu_s=estimate.trial.cpu_s,
            search_s=estimate.search.wall_s,
            search_cpu_s=estimate.search.cpu_s,
            confirm_s=estimate.confirm.wall_s,
            confirm_cpu_s=estimate.confirm.cpu_s,
            total_s=estimate.total.wall_s,
            total_cpu_s=estimate.total.cpu_s,
            by_method={name: cost.wall_s for name, cost in estimate.by_method.items()},
            probe=estimator.probe.to_dict(),
        )

    def estimator(self, config: StudyConfig) -> Estimator:
        """Estimate the rest of the study again, from another process."""
        probe = Probe.from_dict(self.probe)
        return Estimator(config, probe, n_workers=self.n_workers, n_trainings=self.n_trainings)

    def closed(self, actual: Cost, *, is_whole: bool) -> Account:
        """Write beside it what it took."""
        return replace(self, actual_s=actual.wall_s, actual_cpu_s=actual.cpu_s, is_whole=is_whole)


def save_account(folder: StudyFolder, account: Account) -> None:
    """Write the account, whole or not at all."""
    replace_text(folder.account_file, json.dumps({"format": FORMAT, **asdict(account)}, indent=1) + "\n")


def load_account(folder: StudyFolder) -> Account | None:
    """Read the account; None where there is none, or one of another version: it is nothing that anybody rests on."""
    try:
        values = json.loads(folder.account_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    known = {item.name for item in fields(Account)}
    if values.pop("format", None) != FORMAT or values.keys() - known:
        return None
    return Account(**values)
