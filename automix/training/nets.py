"""Small networks for tiny images, registered with timm under names of their own.

    automix_resnet8           3 residual stages, 16-32-64 channels, 78 000 parameters: for 8 to 16 px
    automix_resnet10t_small   timm's resnet10t at a quarter of its width, 310 000 parameters: for 28 to 64 px
    automix_vit_mini          timm's ViT, width 64, depth 4, 4 heads, patches by image size, 0.2 M parameters

None has published weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from timm.models import generate_default_cfgs, register_model
from timm.models.resnet import resnet10t
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

# A list: timm's `register_model` adds each model's name to it.
__all__ = ["NETS", "ResNet8", "patch_size"]

NETS = ("automix_resnet8", "automix_resnet10t_small", "automix_vit_mini")

# Read by `register_model`: this one has to be told the size of its images.
default_cfgs = generate_default_cfgs({"automix_vit_mini": {"fixed_input_size": True, "input_size": (3, 32, 32)}})

_MIN_PATCHES = 7


class ResNet8(nn.Module):
    """A residual network of three blocks (He et al. 2016, arXiv 1512.03385, section 4.2, with n = 1).

    Args:
        in_chans: channels of the images.
        num_classes: K.
        widths: channels of the three stages; the second and third halve the resolution.
    """

    def __init__(self, in_chans: int = 3, num_classes: int = 10, widths: tuple[int, int, int] = (16, 32, 64)) -> None:
        super().__init__()
        self.num_features = widths[-1]
        self.conv1 = nn.Conv2d(in_chans, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = nn.Sequential(
            _Block(widths[0], widths[0], 1), _Block(widths[0], widths[1], 2), _Block(widths[1], widths[2], 2)
        )
        self.fc = nn.Linear(widths[-1], num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the feature map (B, 64, H / 4, W / 4)."""
        return cast(Tensor, self.stages(F.relu(self.bn1(self.conv1(images)), inplace=True)))

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Return logits (B, K), or pooled features (B, 64)."""
        pooled = features.mean(dim=(2, 3))
        return pooled if pre_logits else cast(Tensor, self.fc(pooled))

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.fc

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, K)."""
        return self.forward_head(self.forward_features(images))


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, at 1 / stride of the resolution."""
        hidden = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(hidden)) + self.shortcut(x), inplace=True)


def patch_size(image_size: tuple[int, int]) -> int:
    """Choose the largest patch of 2, 4, 8 or 16 px that leaves 7 or more along the shorter side, else 2.

    Example:
        >>> [patch_size((side, side)) for side in (8, 28, 32, 64, 224)]
        [2, 4, 4, 8, 16]
    """
    return max((p for p in (4, 8, 16) if min(image_size) // p >= _MIN_PATCHES), default=2)


@register_model
def automix_resnet8(**kwargs: Any) -> ResNet8:
    """Build the residual network of three blocks."""
    return ResNet8(**_own(kwargs))


@register_model
def automix_resnet10t_small(**kwargs: Any) -> nn.Module:
    """Build timm's resnet10t with 16-32-64-128 channels."""
    return cast(nn.Module, resnet10t(channels=(16, 32, 64, 128), stem_width=8, **_own(kwargs)))


@register_model
def automix_vit_mini(**kwargs: Any) -> nn.Module:
    """Build a small ViT; images are padded at the right and bottom where the patches do not divide them."""
    options = _own(kwargs)
    image_size = options.pop("img_size", (32, 32))
    patch = patch_size(image_size)
    padded = tuple(-(-length // patch) * patch for length in image_size)
    return VisionTransformer(
        img_size=padded,
        patch_size=patch,
        embed_dim=64,
        depth=4,
        num_heads=4,
        dynamic_img_size=True,  # takes images smaller than `img_size`, which are then padded to it
        dynamic_img_pad=True,
        **options,
    )


def _own(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what concerns the architecture; the rest is timm's way to load published weights, which these lack."""
    return {k: v for k, v in kwargs.items() if not k.startswith("pretrained") and k != "cache_dir"}
