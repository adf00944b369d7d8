"""Whether a model can be watched, found out by watching it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn

from automix.errors import ModelError
from automix.mixing.probes.anatomy import Anatomy, anatomy
from automix.mixing.probes.attention import BlockAttention, watch_attention
from automix.mixing.probes.clean import CleanView, evaluating

__all__ = ["PROBES", "check_probes", "missing_probes"]

PROBES: Mapping[str, str] = MappingProxyType(
    {
        "attention": "the attention of every block",
        "attention_map": "an attention map over the whole image",
        "features": "a feature map",
    }
)
"""What can be captured, in words."""

# Half precision is good to two or three digits.
_SUM_TOLERANCE = 1e-2
_LOGIT_TOLERANCE = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}


@torch.no_grad()
def check_probes(model: nn.Module, images: Tensor) -> Anatomy:
    """Run the model plainly and watched: a map must come from each block, its rows sum to 1, and logits agree.

    Args:
        model: any; its mode is put back.
        images: (B, C, H, W) float; two are enough.

    Returns:
        The model's anatomy.

    Raises:
        ModelError: its attention cannot be had, with the reason.
    """
    made_of, size = anatomy(model), (images.shape[-2], images.shape[-1])

    def see(attention: BlockAttention) -> None:
        n = attention.weights.shape[-1]
        if attention.windows is None:
            rows, columns = made_of.patches_of(size)
            expected = made_of.num_prefix_tokens + rows * columns
        else:
            expected = attention.windows.size[0] * attention.windows.size[1]
        if n != expected:
            raise ModelError(f"Expected block {attention.block} to attend to {expected} tokens but got {n}.")
        off = float((attention.weights.sum(dim=-1) - 1.0).abs().max())
        if not off <= _SUM_TOLERANCE:
            raise ModelError(
                f"Expected attention that sums to 1 in block {attention.block} but it is off by {off:.3g}."
            )

    with evaluating(model), torch.autocast(images.device.type, enabled=False):
        plain = model(images)
        with watch_attention(model, see):
            watched = model(images)
    off, scale = float((watched - plain).abs().max()), max(1.0, float(plain.abs().max()))
    if not off <= _LOGIT_TOLERANCE.get(plain.dtype, _LOGIT_TOLERANCE[torch.float32]) * scale:
        raise ModelError(f"Expected the same logits with attention watched but they differ by {off:.3g}.")
    return made_of


def missing_probes(model: nn.Module, images: Tensor, names: Iterable[str] = PROBES) -> dict[str, str]:
    """Try probes on a model; returns the reason for each that cannot be had.

    Args:
        model: any; its mode is put back.
        images: (B, C, H, W) float; two are enough.
        names: which of `PROBES`.
    """

    def attention_map() -> None:
        CleanView(model, images, frozenset({"attention"})).attention()

    def features() -> None:
        CleanView(model, images, frozenset({"features"})).features()

    tries: dict[str, Callable[[], object]] = {
        "attention": partial(check_probes, model, images),
        "attention_map": attention_map,
        "features": features,
    }
    reasons: dict[str, str] = {}
    for name in names:
        try:
            tries[name]()
        except ModelError as err:
            reasons[name] = str(err)
    return reasons
