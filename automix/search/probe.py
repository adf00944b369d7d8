"""A few steps of every method, in a process like a worker's: what an epoch costs, before anything starts.

A process of its own, because threads and glibc's thresholds are settled before Python starts, because its start is a
cost too, and so that no memory of a GPU stays taken while the search runs. The study comes as JSON on its input, what
was measured goes as JSON to its output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from automix.errors import AutomixError, StudyError
from automix.search.config import StudyConfig
from automix.search.cost import ZERO, Cost
from automix.search.launch import Machine
from automix.search.protocol import EXIT_REFUSED

if TYPE_CHECKING:
    from automix.data.dataset import DataSet, Split
    from automix.policy import PolicyDocument
    from automix.registry import Registry
    from automix.training.result import Decision, EpochReport
    from automix.training.settings import TrainSettings

__all__ = ["NO_MIXING", "MethodCost", "Probe", "measure", "run_probe"]

NO_MIXING = "none"
_STEPS = 8
_FEWEST_STEPS = 2
_VAL_BATCHES = 8
# The first epoch warms up and counts as part of the start of a trial; without a second one it has to serve for both.
_EPOCHS = 4
_ENOUGH_S = 1.0
_LONG_EPOCH_S = 10.0
_PROBE_S = 20.0


@dataclass(frozen=True)
class MethodCost:
    """What training with a method costs.

    Attributes:
        setup: before the first step, and what the first steps take longer than others.
        train: of going once over all training images.
        judge: of judging the model and saving it, once an epoch.
    """

    setup: Cost
    train: Cost
    judge: Cost

    def trial(self, epochs: float, image_share: float = 1.0) -> Cost:
        """Return the cost of a training of so many epochs, each over this share of the training images."""
        return self.setup + epochs * (image_share * self.train + self.judge)


@dataclass(frozen=True)
class Probe:
    """What was measured.

    Attributes:
        start: of a worker, until it can train.
        methods: by name; no mixing among them.
    """

    start: Cost
    methods: Mapping[str, MethodCost]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Probe:
        """Read what `to_dict` wrote."""
        methods = {
            name: MethodCost(**{part: Cost(**cost) for part, cost in parts.items()})
            for name, parts in values["methods"].items()
        }
        return cls(Cost(**values["start"]), methods)


def run_probe(config: StudyConfig, work: Path, machine: Machine, policies: Mapping[str, PolicyDocument]) -> Probe:
    """Measure in a process of its own.

    Args:
        config: of the study, which need not be saved.
        work: the work folder, with the decoded images.
        machine: what a worker will have.
        policies: one for each method beside no mixing, by the method's name.

    Raises:
        StudyError: the model, the device or a policy cannot be trained; better now than in every trial.
    """
    asked = {
        "config": config.to_json(),
        "work": str(work),
        "policies": {name: document.to_dict() for name, document in policies.items()},
        "begun": time.time(),
    }
    environment = machine.environments(os.environ, os.getpid(), uuid.uuid4().hex)[0]
    command = [sys.executable, "-m", "automix.search.probe"]
    done = subprocess.run(  # noqa: S603  our own interpreter
        command, input=json.dumps(asked), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["it said nothing"]
        raise StudyError(f"The training cannot be started: {words[-1]}")
    return Probe.from_dict(json.loads(done.stdout.splitlines()[-1]))


def measure(
    data: DataSet, settings: TrainSettings, registry: Registry, policies: Mapping[str, PolicyDocument]
) -> dict[str, MethodCost]:
    """Train no mixing and the other methods for a few steps, and scale up.

    Args:
        data: the opened data.
        settings: of a trial.
        registry: where policies are looked up.
        policies: one for each method; as many are measured as 20 seconds hold.

    Raises:
        AutomixError: the model, the device or a policy cannot be trained.
    """
    from automix.policy import PolicyDocument

    begun = time.perf_counter()
    costs: dict[str, MethodCost] = {}
    n_steps = _STEPS
    for name, document in {NO_MIXING: PolicyDocument.of(NO_MIXING), **policies}.items():
        if not costs or time.perf_counter() - begun < _PROBE_S:
            costs[name] = _measure_one(data, document, settings, registry, n_steps)
            if name == NO_MIXING:
                n_steps = _affordable_steps(time.perf_counter() - begun, len(policies))
    return costs


def _affordable_steps(one_s: float, n_methods: int) -> int:
    """Return how many steps a method may have so that all of them have their turn."""
    share = _PROBE_S / max(1, n_methods) / max(one_s, 1e-9)
    return min(_STEPS, max(_FEWEST_STEPS, int(_STEPS * share)))


@dataclass
class _Laps:
    """What each epoch cost, from the end of the one before: training, judging, saving."""

    last: Cost = field(default_factory=Cost.now)
    laps: list[Cost] = field(default_factory=list)
    trained: list[Cost] = field(default_factory=list)

    def __call__(self, report: EpochReport) -> Decision:
        now = Cost.now()
        self.laps.append(now - self.last)
        self.trained.append(Cost(report.metrics["cost/epoch_s"], report.metrics["cost/cpu_s"]))
        self.last = now
        is_enough = sum(lap.wall_s for lap in self.laps[1:]) > _ENOUGH_S
        return "stop" if is_enough or report.seconds > _LONG_EPOCH_S else "continue"


def _measure_one(
    data: DataSet, document: PolicyDocument, settings: TrainSettings, registry: Registry, n_steps: int
) -> MethodCost:
    from automix.artifacts import FolderStore
    from automix.training.batches import n_judged
    from automix.training.checkpoint import CheckpointStore
    from automix.training.loop import train

    small = _shrunk(data, settings.batch_size, n_steps)
    short = replace(settings, epochs=_EPOCHS)
    with tempfile.TemporaryDirectory() as folder:
        laps, here = _Laps(), Path(folder)
        checkpoints, artifacts = CheckpointStore(here), FolderStore.of(here)
        train(small, document, short, registry=registry, on_epoch=laps, checkpoints=checkpoints, artifacts=artifacts)
    whole, trained = _typical(laps.laps), _typical(laps.trained)
    setup = laps.laps[0] - whole if len(laps.laps) > 1 else ZERO
    return MethodCost(
        setup=setup,
        train=len(data.splits["train"]) / len(small.splits["train"]) * trained,
        judge=n_judged(data) / n_judged(small) * (whole - trained),
    )


def _typical(costs: list[Cost]) -> Cost:
    """Return the median epoch, the first one left out where there are more."""
    warm = costs[1:] or costs
    return Cost(median(cost.wall_s for cost in warm), median(cost.cpu_s for cost in warm))


def _shrunk(data: DataSet, batch_size: int, n_steps: int) -> DataSet:
    """Keep a few batches; the images that are kept are spread evenly, since many data sets are sorted by class."""
    sizes = {"train": n_steps * batch_size, "val": _VAL_BATCHES * batch_size}
    few = {name: _some(data.splits[name], n) for name, n in sizes.items()}
    return replace(data, splits={**data.splits, **few})


def _some(split: Split, n: int) -> Split:
    import numpy as np

    from automix.data.dataset import Split

    rows = np.linspace(0, len(split) - 1, min(n, len(split))).round().astype(np.int64)
    return Split(images=split.images[rows], labels=split.labels[rows], index=split.index[rows])


def _main() -> int:
    asked = json.load(sys.stdin)
    try:
        probe = _probe(StudyConfig.from_json(asked["config"]), Path(asked["work"]), asked["policies"], asked["begun"])
    except AutomixError as err:
        print(" ".join(str(err).split()), file=sys.stderr)  # noqa: T201  for the process that waits for it
        return EXIT_REFUSED
    print(json.dumps(probe.to_dict()))  # noqa: T201  likewise
    return 0


def _probe(config: StudyConfig, work: Path, policies: Mapping[str, Any], begun: float) -> Probe:
    from automix.data import load_data
    from automix.manager import build_host
    from automix.policy import PolicyDocument
    from automix.training.settings import TrainSettings

    registry = build_host().registry
    data = load_data(config.data_key, work).without_test()
    settings = TrainSettings.from_dict(config.settings)
    documents = {name: PolicyDocument.from_dict(policy) for name, policy in policies.items()}
    import automix.training.loop  # noqa: F401  part of the start, not of the first method

    start = Cost(time.time() - begun, time.process_time())
    return Probe(start, measure(data, settings, registry, documents))


if __name__ == "__main__":
    sys.exit(_main())
