"""What ``automix gaze`` does: open images, gaze and policies, and hold one against the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automix.api import load_policy
from automix.data import open_data
from automix.data.sources import open_source
from automix.errors import ModelError, SettingError
from automix.gaze import AlignedGaze, Measured, align, compare, open_gaze, write_results
from automix.gaze.results import policy_rows
from automix.policy import compile_policy, published

if TYPE_CHECKING:
    from torch import nn

    from automix.data import DataSet
    from automix.manager import PluginHost
    from automix.policy import PolicyMixer

__all__ = ["GazeReport", "gaze_report"]


@dataclass(frozen=True, eq=False)
class GazeReport:
    """Policies held against gaze.

    Attributes:
        results: one per policy, in the order asked for.
        gaze: the images they were measured on, and what was left out.
        data: the data set.
    """

    results: Sequence[Measured]
    gaze: AlignedGaze
    data: DataSet

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Mean, interval and difference to the first policy, one row per policy."""
        return policy_rows(self.results, len(self.gaze.rows))


def gaze_report(
    data: object,
    gaze: str | Path,
    policies: Sequence[str],
    *,
    host: PluginHost,
    out: Path | None = None,
    images: Path | None = None,
    model: Path | None = None,
    n_images: int = 512,
    rounds: int = 4,
    augment: bool = True,
    seed: int = 0,
    work: str | Path = "automix-work",
    image_size: int | None = None,
) -> GazeReport:
    """Compute the image-label inconsistency (working definition) of policies on training images that have gaze.

    Args:
        data: as for `automix.search`.
        gaze: a table of fixations, a folder of heat maps, or an NPZ archive.
        policies: policy files, or names of registered policies or mixers.
        host: plugins that are loaded already.
        out: where gaze.json, classes.csv and pictures go; None for nowhere.
        images: for a table of fixations, the list from image number to path.
        model: a trained model (``model.safetensors`` of a search) for policies that look into it.
        n_images: images used at most.
        rounds: how often each is mixed.
        augment: flip and crop as in training.
        seed: of images, order, flips, crops and mixing.
        work: work folder, for decoded images.
        image_size: side in pixels.

    Raises:
        AutomixError: something is missing or does not fit; the message says what to do.
    """
    if not policies or n_images < 2 or rounds < 1:
        raise SettingError(
            f"Expected at least 1 policy, 2 images and 1 round but got {len(policies)}, {n_images} and {rounds}."
        )
    table = open_gaze(Path(gaze), images)
    sources = {entry.name: entry.obj for entry in host.registry.entries("data_source")}
    opened = open_data(data, work=Path(work), sources=sources, image_size=image_size).without_test()
    samples = open_source(data, Path(work), sources).read()
    mixes = {name: _policy(name, opened, seed, host) for name in policies}
    trained = None if model is None else _model(model, opened)
    aligned = align(table, opened, samples, n_images=n_images, seed=seed)
    results = compare(mixes, opened, aligned, rounds=rounds, seed=seed, augment=augment, model=trained)
    if out is not None:
        write_results(out, results, aligned, opened, seed=seed, rounds=rounds, augment=augment, gaze_from=str(gaze))
    return GazeReport(results, aligned, opened)


def _policy(name: str, data: DataSet, seed: int, host: PluginHost) -> PolicyMixer:
    """Load a file or registered policy; a mixer's name stands for its published settings."""
    registry, normalization = host.registry, (data.mean, data.std)
    is_mixer = not Path(name).exists() and name in registry.names("mixer") and name not in registry.names("policy")
    if is_mixer:
        document = published(registry, name)
        return compile_policy(document, registry, num_classes=data.num_classes, seed=seed, normalization=normalization)
    return load_policy(name, num_classes=data.num_classes, normalization=normalization, seed=seed, host=host)


def _model(path: Path, data: DataSet) -> nn.Module:
    from automix.training.export import load_model

    model, card = load_model(path)
    if (tuple(card.classes), tuple(card.image_size)) != (data.classes, data.image_size):
        raise ModelError(
            f"The model in {path} was trained for {len(card.classes)} classes at {card.image_size} px, and the data "
            f"have {data.num_classes} at {data.image_size}: use a model that was trained on these data."
        )
    return model
