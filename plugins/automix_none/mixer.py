"""No mixing, as a method like any other, so that it can be an arm of a search."""

from __future__ import annotations

import torch

from automix.mixing import Batch, Card, KeepPlan, Mixer

__all__ = ["NoMixing"]


class NoMixing(Mixer):
    """Leave every image and label as it is.

    Example:
        >>> batch = Batch(torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 2]), num_classes=3)
        >>> mixer = NoMixing()
        >>> mixer.apply(batch.images, mixer.draw(batch, torch.Generator())).images is batch.images
        True
    """

    name = "none"
    card = Card(
        title="No mixing",
        summary="Images and labels stay as they are.",
        use_when="Always worth comparing with: small nets that underfit, and some fine-grained data, lose by mixing.",
        cost="none",
    )
    dtypes = (torch.float32, torch.bfloat16, torch.float16, torch.uint8)

    def draw(self, batch: Batch, generator: torch.Generator) -> KeepPlan:
        """Decide nothing and draw nothing."""
        return KeepPlan(n=len(batch))
