"""What a worker works with: plugins, data, space and a way to train, opened once and used for every slot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automix.errors import StudyError
from automix.goal import GOALS, Goal, goal_of
from automix.policy.yamlfile import YamlFile
from automix.search.config import StudyConfig
from automix.search.fidelity import Fidelity
from automix.search.folder import StudyFolder
from automix.search.objective import Train
from automix.search.sampler import SearchSpace
from automix.tracking import Tracker, artifact_root, tracking_uri

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.manager import PluginHost
    from automix.policy import PolicyDocument
    from automix.registry import Registry
    from automix.spaces import Space
    from automix.training.result import Decision, EpochReport, TrainResult
    from automix.training.settings import TrainSettings

__all__ = ["Bench", "OpenBench", "open_bench", "study_space"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bench:
    """What a worker works with.

    Attributes:
        host: plugins.
        space: where policies are searched.
        train: trains a policy on the study's data with its settings.
        tracker: where trials are shown.
    """

    host: PluginHost
    space: SearchSpace
    train: Train
    tracker: Tracker


OpenBench = Callable[[StudyConfig, StudyFolder], Bench]


def open_bench(config: StudyConfig, folder: StudyFolder) -> Bench:
    """Open the bench of a study in this process.

    Raises:
        StudyError: the plugins or the space are not those that the study was made with.
        ArtifactError: the decoded data are missing or damaged.
    """
    from automix.data import load_data
    from automix.manager import build_host
    from automix.training.settings import TrainSettings

    host = build_host()
    if host.signature() != config.plugins:
        raise StudyError(f"The plugins of this process are not those that study {config.name!r} was made with.")
    for problem in host.problems:
        _log.warning("%s", problem)
    space = study_space(config, host.registry)
    fidelity = Fidelity.of(config.fidelity)
    data = fidelity.data(load_data(config.data_key, folder.work).without_test(), config.seed)
    settings = fidelity.settings(TrainSettings.from_dict(config.settings), len(data.splits["train"]))
    tracker = Tracker(tracking_uri(folder.work), artifact_root(folder.work))
    return Bench(host, space, _trainer(data, settings, host.registry, goal_of(config.goal), folder.work), tracker)


def _trainer(data: DataSet, settings: TrainSettings, registry: Registry, goal: Goal, work: Path) -> Train:
    from automix.artifacts import FolderStore
    from automix.training.checkpoint import CheckpointStore
    from automix.training.loop import train

    def train_in(
        document: PolicyDocument, *, on_epoch: Callable[[EpochReport], Decision], folder: Path, attempt: int
    ) -> TrainResult:
        checkpoints = CheckpointStore(folder, attempt=attempt)
        return train(
            data,
            document,
            settings,
            registry=registry,
            on_epoch=on_epoch,
            checkpoints=checkpoints,
            artifacts=FolderStore.of(work),
            robust=goal == GOALS["robustness"],
        )

    return train_in


def study_space(config: StudyConfig, registry: Registry) -> Space:
    """Compose the space of a study again.

    Raises:
        StudyError: it comes out differently from what the study was made with.
    """
    from automix.spaces import Facts, SpaceDocument, compose

    # What the file may say was checked when the study was made; read as shipped, it is not checked for leftovers again.
    document = SpaceDocument.read(YamlFile("the study's space", dict(config.space)), is_shipped=True)
    facts = {
        **config.facts,
        "image_size": tuple(config.facts["image_size"]),
        "probes": frozenset(config.facts["probes"]),
    }
    space = compose(document, registry, Facts(**facts))
    if space.signature() != config.space_signature:
        raise StudyError(f"The search space of study {config.name!r} has changed since it was made.")
    return space
