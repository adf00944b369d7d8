"""The input treatment of BC+: every image loses its mean, in training, evaluation and deployment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor

from automix.errors import PolicyError
from automix.mixing import Card, InputTreatment

__all__ = ["ZeroMean"]

# A channel that is the same everywhere has standard deviation 0; it is then left as it is, near 0.
_FLOOR = 1e-6


class ZeroMean(InputTreatment):
    """Remove each image's mean, then standardise channels: ``(x - m(x) - mean_c) / std_c``.

    x is the image in units of pixel value / 255 (so the caller's normalisation is undone first), m(x) one number: the
    mean over all of its channels and pixels. mean_c and std_c are the channels' statistics over the training images
    after m(x) was removed.

    Args:
        statistics: {"mean": one number per channel, "std": likewise}, as `fit` finds them.
        normalization: (mean, std) per channel with which images arrive.

    Source: Tokozume et al. 2018, arXiv 1711.10284; `zero_mean` in utils.py of the official code (there on 0 to 255).

    Example:
        >>> treatment = ZeroMean(normalization=((0.0,), (1.0,)))
        >>> treatment.fit([torch.tensor([[0.0, 1.0], [0.4, 0.6]])[:, None, None]])
        >>> treatment.treat(torch.tensor([0.2, 0.8])[None, None, None])
        tensor([[[[-0.8321,  0.8321]]]])
    """

    name = "zero_mean"
    needs_normalization = True
    needs_fit = True
    card: ClassVar[Card] = Card(
        title="Images without their mean",
        summary="Each image loses its own mean, then channels are standardised; at evaluation time as well.",
        authors="Tokozume, Ushiku, Harada",
        year=2018,
        arxiv="1711.10284",
        code="mil-tokyo/bc_learning_image",
        use_when="With between_class, variant bc_plus; brightness of the whole image must not matter for the class.",
        cost="one mean per image",
    )

    def treat(self, images: Tensor) -> Tensor:
        """Return treated images in the type of ``images``.

        Raises:
            PolicyError: the statistics were never fitted, or are for another number of channels.
        """
        mean, std = (self._statistic(name, images) for name in ("mean", "std"))
        return ((self._without_mean(images) - mean) / std).to(images.dtype)

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Take each channel's mean and standard deviation over all images, after each lost its own mean.

        Raises:
            PolicyError: there are no images.
        """
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for images in batches:
            rest = self._without_mean(images).double().transpose(0, 1).flatten(1)
            count += rest.shape[1]
            total = total + rest.sum(dim=1).cpu()
            squares = squares + rest.square().sum(dim=1).cpu()
        if not count:
            raise PolicyError("Expected training images to fit the input treatment 'zero_mean' on but got none.")
        mean = total / count
        # Values are near 0 by construction, so that the difference of squares loses nothing.
        std = (squares / count - mean.square()).clamp(min=0.0).sqrt().clamp(min=_FLOOR)
        self.statistics = {"mean": tuple(mean.tolist()), "std": tuple(std.tolist())}

    def _without_mean(self, images: Tensor) -> Tensor:
        """(B, C, H, W) float32: in units of pixel value / 255, minus each image's mean."""
        assert self.normalization is not None  # the constructor insists (needs_normalization)
        mean, std = (_per_channel(values, images, "normalization") for values in self.normalization)
        pixels = images.float() * std + mean
        return pixels - pixels.mean(dim=(1, 2, 3), keepdim=True)

    def _statistic(self, name: str, images: Tensor) -> Tensor:
        if name not in self.statistics:
            raise PolicyError("The input treatment 'zero_mean' is not fitted: call mix.fit(batches) first.")
        return _per_channel(self.statistics[name], images, f"statistics {name}")


def _per_channel(values: tuple[float, ...], images: Tensor, what: str) -> Tensor:
    """(C, 1, 1) on the images' device."""
    if len(values) != images.shape[1]:
        raise PolicyError(
            f"Expected {what} of {images.shape[1]} channels but got {len(values)} numbers (input treatment zero_mean)."
        )
    return torch.tensor(values, device=images.device)[:, None, None]
