"""Small networks for components that look into one; freshly initialised, the same each time."""

from __future__ import annotations

import torch
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from automix.training.nets import ResNet8

__all__ = ["small_cnn", "small_swin", "small_vit"]


def small_vit(size: tuple[int, int] = (16, 16), channels: int = 3, num_classes: int = 4) -> nn.Module:
    """Build a ViT with patches of 4 px, a class token and two blocks; images are padded where patches do not fit."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return VisionTransformer(
            (-(-size[0] // 4) * 4, -(-size[1] // 4) * 4),
            4,
            channels,
            num_classes,
            embed_dim=16,
            depth=2,
            num_heads=2,
            dynamic_img_size=True,
            dynamic_img_pad=True,
        )


def small_swin(size: tuple[int, int] = (16, 16), channels: int = 3, num_classes: int = 4) -> nn.Module:
    """Build a Swin with patches of 4 px in windows of 2 x 2, and half as many each way in its second stage."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return SwinTransformer(
            size,
            4,
            channels,
            num_classes,
            embed_dim=8,
            depths=(2, 2),
            num_heads=(2, 2),
            window_size=2,
            drop_path_rate=0.0,
        )


def small_cnn(channels: int = 3, num_classes: int = 4) -> nn.Module:
    """Build a residual network of three blocks."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return ResNet8(channels, num_classes)
