"""Which model and which settings, where the user names none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from automix.training.settings import TrainSettings

if TYPE_CHECKING:
    from automix.data.dataset import DataSet

__all__ = ["auto_model", "default_settings"]

_log = logging.getLogger(__name__)

_TINY_PX = 16
_SMALL_PX = 64
_SMALL_NETS = ("automix_resnet8", "automix_resnet10t_small")


def auto_model(image_size: tuple[int, int], space_hint: str | None = None) -> str:
    """Choose a model by the longer side of the images, and by the search space's name.

    Convolutional, unless the space is "vit":

    - up to 16 px: `automix_resnet8`, which keeps the full resolution in its first stage;
    - up to 64 px: `automix_resnet10t_small`, whose stem of stride 4 makes it twice as fast at 28 to 32 px;
    - larger: `resnet18`.

    In the space "vit": `automix_vit_mini` up to 64 px or where 16 does not divide both sides, else
    `deit_tiny_patch16_224`.

    Example:
        >>> auto_model((8, 8)), auto_model((32, 32)), auto_model((192, 192), "vit")
        ('automix_resnet8', 'automix_resnet10t_small', 'deit_tiny_patch16_224')
    """
    side = max(image_size)
    if space_hint == "vit":
        is_mini = side <= _SMALL_PX or any(length % 16 for length in image_size)
        name = "automix_vit_mini" if is_mini else "deit_tiny_patch16_224"
    elif side <= _TINY_PX:
        name = "automix_resnet8"
    else:
        name = "automix_resnet10t_small" if side <= _SMALL_PX else "resnet18"
    return name


def default_settings(model: str, data: DataSet, *, space_hint: str | None = None, **chosen: Any) -> TrainSettings:
    """Fill in what the user did not choose.

    Peak learning rates for batches of 64: with AdamW 5e-3 for the small networks (chosen on digits, Fashion-MNIST and
    CIFAR-10 subsets), 1e-3 for other models from scratch and 2e-4 for pretrained ones; with SGD 0.1, 0.05 and 0.005.
    Weight decay is 0.05 with AdamW and 5e-4 with SGD.

    Args:
        model: a timm name, or "auto".
        data: decides about "auto".
        space_hint: name of the search space; decides about "auto".
        chosen: settings by name; None counts as not chosen.

    Raises:
        SettingError: a chosen value is out of its range.
    """
    name = model
    if model == "auto":
        name = auto_model(data.image_size, space_hint)
        _log.info("model %s chosen for images of %d x %d px", name, *data.image_size)
    given = {key: value for key, value in chosen.items() if value is not None}
    is_sgd = given.get("optimizer") == "sgd"
    if given.get("pretrained"):
        lr = 0.005 if is_sgd else 2e-4
    elif name in _SMALL_NETS:
        lr = 0.1 if is_sgd else 5e-3
    else:
        lr = 0.05 if is_sgd else 1e-3
    return TrainSettings.from_dict({"model": name, "lr": lr, "weight_decay": 5e-4 if is_sgd else 0.05, **given})
