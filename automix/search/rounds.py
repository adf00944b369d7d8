"""The confirm stage as files: which policies are trained again, on which fresh seeds, and what came of each training.

work/studies/NAME/confirm/
  plan.json                 the policies and seeds
  KEY-SEED/lock             held by the worker that trains this policy on this seed
  KEY-SEED/checkpoint/      what it goes on from
  KEY-SEED/attempt.json     which start of the search is at it, how often its workers died without finishing an epoch
  KEY-SEED/model.safetensors, result.json    the trained model; what it reached on validation, written last

A search compares many policies on one seed, so its winner is partly lucky. Here every policy is trained on the same
seeds, which the search did not use: initial weights, order, augmentation and mixing follow the seed, so that
differences are paired. Nothing here can read a test image. No torch: a second terminal reads these files too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from automix.goal import Goal
from automix.mixing.random import seed_of
from automix.search.folder import StudyFolder, replace_text
from automix.tracking import keys

__all__ = ["ConfirmPlan", "Confirmed", "Entrant", "Round", "fresh_seeds", "note_of"]

_SEED_RANGE = 2**31


@dataclass(frozen=True)
class Entrant:
    """A policy that is trained again.

    Attributes:
        name: of the arm, or "slot N" for what the sampler proposed.
        title: the policy in a few words.
        key: equal for equal policies.
        policy: the document as it was proposed; input treatments are fitted again.
    """

    name: str
    title: str
    key: str
    policy: Mapping[str, Any]


@dataclass(frozen=True)
class Confirmed:
    """One finished training.

    Attributes:
        metrics: of validation after the last epoch, and the goal of the study, under the names that an epoch's row has.
        temperature: fitted on validation.
        policy: the document with fitted statistics.
        seconds: that it took.
        error: what it raised; the rest is empty then.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    policy: Mapping[str, Any] | None = None
    seconds: float = 0.0
    error: str = ""

    @property
    def val_top1(self) -> float:
        """Accuracy on validation, 0 to 1."""
        return self.metrics[keys.VAL_TOP1]

    @property
    def val_logloss(self) -> float:
        """Log-loss on validation, in nats."""
        return self.metrics[keys.VAL_LOGLOSS]

    def worth(self, goal: Goal) -> tuple[float, float]:
        """Return what sorts trainings, best last: the goal, then log-loss."""
        return goal.sort_key(self.metrics[goal.metric]), -self.val_logloss


@dataclass(frozen=True)
class Round:
    """One policy on one seed, and where its files lie."""

    entrant: Entrant
    seed: int
    path: Path

    @property
    def lock_file(self) -> Path:
        """Held while it is trained."""
        return self.path / "lock"

    @property
    def checkpoint(self) -> Path:
        """What an interrupted training goes on from."""
        return self.path / "checkpoint"

    @property
    def model_file(self) -> Path:
        """The trained model."""
        return self.path / "model.safetensors"

    @property
    def answers_file(self) -> Path:
        """What the model answered to the test images, once they have been opened for it."""
        return self.path / "answers.npz"

    def result(self) -> Confirmed | None:
        """Read what it reached; None where it is not finished."""
        try:
            values = json.loads(self._result_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if "metrics" not in values:  # written by an earlier version
            values["metrics"] = {keys.VAL_TOP1: values.pop("val_top1"), keys.VAL_LOGLOSS: values.pop("val_logloss")}
        return Confirmed(**values)

    def settle(self, result: Confirmed) -> None:
        """Write what it reached; nothing is written after that."""
        replace_text(self._result_file, json.dumps(asdict(result), indent=1) + "\n")

    def discard_state(self) -> None:
        """Remove what a settled training would go on from."""
        shutil.rmtree(self.checkpoint, ignore_errors=True)

    def begin(self, session: str) -> int:
        """Note that a worker begins; return how often in a row others died on it without finishing an epoch.

        As in the search (`automix.search.ledger.Ledger.adopt`), what died in an earlier start does not count.
        """
        mark = {"session": session, "saved": self._saved()}
        before = self._attempt()
        is_stuck = {name: before.get(name) for name in mark} == mark
        deaths = int(before["deaths"]) + 1 if is_stuck else 0
        replace_text(self._attempt_file, json.dumps({**mark, "deaths": deaths}) + "\n")
        return deaths

    def progress(self) -> tuple[object, ...]:
        """Return what changes whenever a worker begins, finishes an epoch or is done."""
        return (self.result() is not None, self._saved(), self._attempt().get("deaths"))

    def _saved(self) -> int:
        """When the last epoch was saved, in nanoseconds; 0 before the first."""
        try:
            return (self.checkpoint / "state.pt").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _attempt(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._attempt_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}

    @property
    def _attempt_file(self) -> Path:
        return self.path / "attempt.json"

    @property
    def _result_file(self) -> Path:
        return self.path / "result.json"


@dataclass(frozen=True)
class ConfirmPlan:
    """The policies and seeds of a confirm stage.

    Attributes:
        entrants: no mixing among them.
        seeds: fresh ones.
        chosen: keys of policies that a user named, which take part whatever their rank.
    """

    entrants: tuple[Entrant, ...]
    seeds: tuple[int, ...]
    chosen: tuple[str, ...] = ()

    def rounds(self, folder: StudyFolder) -> list[Round]:
        """List the trainings, seed by seed, so that whatever is done is paired as far as it goes."""
        home = _home(folder)
        return [Round(one, seed, home / f"{one.key}-{seed}") for seed in self.seeds for one in self.entrants]

    def save(self, folder: StudyFolder) -> None:
        """Write the plan for the workers."""
        replace_text(_home(folder) / "plan.json", json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder: StudyFolder) -> ConfirmPlan:
        """Read the plan.

        Raises:
            FileNotFoundError: there is none.
        """
        values = json.loads((_home(folder) / "plan.json").read_text(encoding="utf-8"))
        entrants = tuple(Entrant(**one) for one in values["entrants"])
        return cls(entrants, tuple(values["seeds"]), tuple(values.get("chosen", ())))


def note_of(pid: int) -> str:
    """Return what a worker writes into the lock of the training that it is at."""
    return f"process {pid}"


def fresh_seeds(study_seed: int, n: int) -> tuple[int, ...]:
    """Return ``n`` seeds that the search of ``study_seed`` did not train with."""
    return tuple(seed_of(study_seed, "confirm", i) % _SEED_RANGE for i in range(n))


def _home(folder: StudyFolder) -> Path:
    return folder.path / "confirm"
