"""The working definition of image-label inconsistency; not the paper's exact metric.

Each source of a mixed image has a label weight and a gaze weight: the mass of its gaze map that is still seen, as
`Mixer.carry` follows it, over that of all sources. Inconsistency is half the L1 distance of the two: for a pair,
``|lambda_label - lambda_gaze|``. It lies in [0, 1], and 0 means that the label has what people looked at.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["gaze_weights", "inconsistency"]


def gaze_weights(carried: Tensor) -> Tensor:
    """Divide the gaze of a mixed image among its sources.

    Args:
        carried: (B', S, h, w) float, non-negative, from `Mixer.carry`.

    Returns:
        (B', S) float32; NaN in rows in which no gaze is left.
    """
    mass = carried.double().sum(dim=(2, 3))
    return (mass / mass.sum(dim=1, keepdim=True)).float()


def inconsistency(label: Tensor, gaze: Tensor) -> Tensor:
    """Return half the L1 distance of label weights and gaze weights.

    Args:
        label: (B', S) float, non-negative; divided by its sum.
        gaze: (B', S) float.

    Returns:
        (B',) float32 in [0, 1]; NaN where there is no gaze or no label.

    Example:
        >>> import torch
        >>> inconsistency(torch.tensor([[0.75, 0.25]]), torch.tensor([[0.5, 0.5]]))
        tensor([0.2500])
    """
    return (label / label.sum(dim=1, keepdim=True) - gaze).abs().sum(dim=1) / 2
