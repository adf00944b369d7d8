"""Predictions of a model on a split, and their metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from automix.data.loader import Loader
from automix.training.metrics import METRICS, Labels, Probs

__all__ = ["evaluate", "predict", "score"]

_log = logging.getLogger(__name__)

Autocast = Callable[[], AbstractContextManager[object]]
Metric = Callable[[Probs, Labels], float]


def predict(model: nn.Module, loader: Loader, *, autocast: Autocast = nullcontext) -> tuple[Probs, Labels]:
    """Predict every image of a loader, in evaluation mode; the model's own mode is restored.

    Args:
        model: gives logits (B, K).
        loader: with the input treatment of the policy as its ``prepare``, without shuffling and augmentation.
        autocast: makes the context that forward passes run in.

    Returns:
        Probabilities (N, K) float32 and labels (N,) int64, in the loader's order.
    """
    was_training = model.training
    model.eval()
    probs, labels = [], []
    # Collected on the device: a copy to the CPU per batch would make the GPU wait.
    with torch.inference_mode():
        for images, batch_labels, _ in loader.epoch(0):
            with autocast():
                logits = model(images)
            probs.append(logits.float().softmax(dim=1))
            labels.append(batch_labels)
    model.train(was_training)
    return torch.cat(probs).cpu().numpy(), torch.cat(labels).cpu().numpy()


def score(probs: Probs, labels: Labels, extra: Mapping[str, Metric] | None = None) -> dict[str, float]:
    """Compute all metrics by name.

    Args:
        probs: (N, K) float32.
        labels: (N,) int64.
        extra: metrics of plugins. One that raises is reported and left out: it must not end a training.
    """
    scores = {name: metric(probs, labels) for name, metric in METRICS.items()}
    for name, metric in (extra or {}).items():
        try:
            scores[name] = float(metric(probs, labels))
        except Exception:  # noqa: BLE001  a plugin's code; what it raised is logged
            _log.warning("the metric %r of a plugin failed and is left out", name, exc_info=True)
    return scores


def evaluate(
    model: nn.Module,
    loader: Loader,
    *,
    autocast: Autocast = nullcontext,
    extra: Mapping[str, Metric] | None = None,
) -> dict[str, float]:
    """Predict a split and compute its metrics: top1, balanced_top1, logloss, ece and those of plugins."""
    return score(*predict(model, loader, autocast=autocast), extra)
