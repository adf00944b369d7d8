"""Every hook that automix calls, on one screen. A plugin implements those it needs, marked with `@hookimpl`.

A plugin is a module (or object) named by an entry point in group `automix`. It states `automix_api = "1"`,
may state its own `version`, and imports torch only inside a hook, so that `automix --help` stays quick. A hook
may leave out arguments it does not need. A hook, or an argument of one, that is not listed here refuses the plugin.

Plugins are called one by one in load order: those of the distribution `automix` first, then by distribution and
entry-point name. What one of them raises is reported with its name and ends nothing else. Returned values are
ignored everywhere.

    from automix.hookspecs import hookimpl

    automix_api = "1"

    @hookimpl
    def automix_register_mixers(register):
        from my_package.mixer import MyMixer

        register(MyMixer)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pluggy

if TYPE_CHECKING:
    import numpy as np
    import typer

    from automix.mixing import Guide, InputTreatment, LabelRule, Mixer, Pairing, RatioLaw
    from automix.registry import Registry

    PolicySource = Mapping[str, Any] | Callable[[Registry], Mapping[str, Any]]
    DataOpener = Callable[[str], Any]
    Metric = Callable[[np.ndarray, np.ndarray], float]

__all__ = [
    "API_VERSION",
    "PROJECT",
    "EpochFinished",
    "RegisterPolicy",
    "SearchFinished",
    "SearchStarted",
    "TrialFailed",
    "TrialFinished",
    "TrialStarted",
    "hookimpl",
    "hookspec",
]

PROJECT = "automix"
API_VERSION = "1"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, kw_only=True)
class SearchStarted:
    """A search is about to start its workers: for the first time, or again after a stop."""

    study: str
    data: str
    n_trials: int
    work: Path
    out: Path


@dataclass(frozen=True, kw_only=True)
class TrialStarted:
    """A worker has taken a slot; `policy` is the policy document it will train."""

    study: str
    slot: int
    trial_number: int
    policy: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class EpochFinished:
    """An epoch (counted from 1) was trained and evaluated; `metrics` as tracked, such as `val/top1`."""

    study: str
    slot: int
    epoch: int
    n_epochs: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class TrialFinished:
    """A trial came to its end, or was pruned; `metrics` are its best ones."""

    study: str
    slot: int
    trial_number: int
    status: Literal["complete", "pruned"]
    metrics: Mapping[str, float]
    time_s: float


@dataclass(frozen=True, kw_only=True)
class TrialFailed:
    """A trial raised; `error` is what was recorded with it. The study goes on."""

    study: str
    slot: int
    trial_number: int
    error: str


@dataclass(frozen=True, kw_only=True)
class SearchFinished:
    """No trial is left to run; `policy` is the file handed back, None where no trial finished."""

    study: str
    n_complete: int
    n_pruned: int
    n_failed: int
    policy: Path | None
    time_s: float


class RegisterPolicy(Protocol):
    """How a whole policy is registered."""

    def __call__(self, name: str, document: PolicySource, description: str = "") -> None:
        """Register a policy document, or a function that makes one from what is registered."""


# --- Registering: what a plugin offers ---
# Each is called at most once per host, when the first name of its kind is asked for. Where two plugins offer one
# name, the first in load order keeps it; the second's is refused and reported with both plugins' names, and its
# other names stand. Where the hook raises, nothing that this plugin registered in this call stays.


@hookspec
def automix_register_mixers(register: Callable[[type[Mixer]], None]) -> None:
    """Offer mixers: where the pixels go.

    Called once, before the first mixer is looked up.
    Two plugins: all are offered, the first keeps a shared name.

    Args:
        register: call it with each concrete `Mixer` subclass.
    """


@hookspec
def automix_register_ratios(register: Callable[[type[RatioLaw]], None]) -> None:
    """Offer ratio laws: how `lam` is distributed.

    Called once, before the first ratio law is looked up.
    Two plugins: all are offered, the first keeps a shared name.

    Args:
        register: call it with each concrete `RatioLaw` subclass.
    """


@hookspec
def automix_register_pairings(register: Callable[[type[Pairing]], None]) -> None:
    """Offer pairings: who is mixed with whom.

    Called once, before the first pairing is looked up.
    Two plugins: all are offered, the first keeps a shared name.

    Args:
        register: call it with each concrete `Pairing` subclass.
    """


@hookspec
def automix_register_label_rules(register: Callable[[type[LabelRule]], None]) -> None:
    """Offer label rules: how shares become label weights.

    Called once, before the first label rule is looked up.
    Two plugins: all are offered, the first keeps a shared name.

    Args:
        register: call it with each concrete `LabelRule` subclass.
    """


@hookspec
def automix_register_guides(register: Callable[[type[Guide]], None]) -> None:
    """Offer guides: maps of what matters in an image.

    Called once, before the first guide is looked up.
    Two plugins: all are offered, the first keeps a shared name.

    Args:
        register: call it with each concrete `Guide` subclass.
    """


@hookspec
def automix_register_inputs(register: Callable[[type[InputTreatment]], None]) -> None:
    """Offer input treatments: what is done to images at training and at evaluation.

    Called once, before the first input treatment is looked up.
    Two plugins: all are offered, the first keeps a shared name.

    Args:
        register: call it with each concrete `InputTreatment` subclass.
    """


@hookspec
def automix_register_policies(register: RegisterPolicy) -> None:
    """Offer whole policies: they are the reference arms of every search.

    Called once, before the first policy is looked up.
    Two plugins: all are offered, the first keeps a shared name.

    Args:
        register: call it with a name, a document as in `policy.yaml` or a function of the registry that returns
            one (for policies that depend on what is installed), and one line that says what it is.
    """


@hookspec
def automix_register_data_sources(register: Callable[[str, DataOpener], None]) -> None:
    """Offer data sources: what `--data SCHEME:WHERE` can open.

    Called once, before the first data set is opened.
    Two plugins: all are offered, the first keeps a shared scheme.

    Args:
        register: call it with the scheme and a function that opens the data named by the text after `SCHEME:`.
    """


@hookspec
def automix_register_metrics(register: Callable[[str, Metric], None]) -> None:
    """Offer metrics, tracked as `val/NAME` beside the built-in ones.

    Called once in each process that evaluates.
    Two plugins: all are offered, the first keeps a shared name.

    Args:
        register: call it with the name and a function of class probabilities (N, K) float32 and labels (N,)
            int64 that returns a number. Where the metric is a study's goal, more is better, unless the
            function has an attribute `maximize` that is False.
    """


@hookspec
def automix_register_commands(register: Callable[[str, typer.Typer], None]) -> None:
    """Offer commands of the `automix` program.

    Called once per start of the program, so import nothing heavy here.
    Two plugins: all are offered, the first keeps a shared name; a built-in command cannot be replaced.

    Args:
        register: call it with the command's name and a typer application.
    """


# --- Moments: what a plugin may want to know ---
# Each fires in the process where it happens. With two plugins both are told, in load order.


@hookspec
def automix_search_started(event: SearchStarted) -> None:
    """Tell that a search starts. Once per start of the command, in the supervisor.

    Two plugins: both are told.

    Args:
        event: which study, data set and folders, and how many trials are wanted in all.
    """


@hookspec
def automix_trial_started(event: TrialStarted) -> None:
    """Tell that a slot starts training. Once per attempt, in the worker.

    Two plugins: both are told.

    Args:
        event: slot, trial and policy document.
    """


@hookspec
def automix_epoch_finished(event: EpochFinished) -> None:
    """Tell an epoch's metrics. Once per epoch, in the worker.

    Two plugins: both are told.

    Args:
        event: slot, epoch and metrics.
    """


@hookspec
def automix_trial_finished(event: TrialFinished) -> None:
    """Tell that a trial is complete or pruned. Once per slot, in the worker.

    Two plugins: both are told.

    Args:
        event: slot, how it ended and its best metrics.
    """


@hookspec
def automix_trial_failed(event: TrialFailed) -> None:
    """Tell that a trial raised. Once per failed attempt, in the worker.

    Two plugins: both are told.

    Args:
        event: slot and error.
    """


@hookspec
def automix_search_finished(event: SearchFinished) -> None:
    """Tell that a search came to its end. Once per start of the command, in the supervisor.

    Two plugins: both are told.

    Args:
        event: counts, time and where the policy lies.
    """
