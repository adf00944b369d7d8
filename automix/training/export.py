"""A trained model as one file that is safe to load: safetensors weights and a description in their header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from automix.errors import ArtifactError
from automix.storage.files import replacing
from automix.training.models import build_model

__all__ = ["ModelCard", "load_model", "save_model"]

_KEY = "automix.model/1"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is needed to build a model again and to feed it.

    Images go through ``(image / 255 - mean) / std`` and then through the input treatment.

    Args:
        model: timm name.
        classes: class names, in the order of the logits.
        channels: of the images.
        image_size: (H, W) in pixels.
        mean: per channel, on the scale [0, 1].
        std: likewise.
        input: the input treatment as a policy document has it, fitted statistics included.
        metrics: what it reached on validation.
    """

    model: str
    classes: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input: Mapping[str, Any] = field(default_factory=lambda: {"name": "standard"})
    metrics: Mapping[str, float] = field(default_factory=dict)


def save_model(path: Path, model: nn.Module, card: ModelCard) -> None:
    """Write weights and description; the file appears whole or not at all.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    # Clones: safetensors refuses tensors that share memory, as tied weights do.
    weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    content = safetensors.torch.save(weights, metadata={_KEY: json.dumps(asdict(card))})
    with replacing(path) as file:
        file.write(content)


def load_model(path: str | Path) -> tuple[nn.Module, ModelCard]:
    """Build a saved model again.

    Returns:
        The model on the CPU in evaluation mode, and its description.

    Raises:
        ArtifactError: the file is missing, damaged, or not a model of automix.
        UnknownNameError: this timm does not have the architecture.
    """
    card, weights = _read(Path(path))
    model = build_model(card.model, num_classes=len(card.classes), channels=card.channels, image_size=card.image_size)
    try:
        model.load_state_dict(weights)
    except RuntimeError as err:
        raise ArtifactError(f"The weights in {path} are not those of a {card.model!r}.") from err
    return model.eval(), card


def _read(path: Path) -> tuple[ModelCard, dict[str, Tensor]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            card = _read_card((file.metadata() or {})[_KEY])
            return card, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except FileNotFoundError as err:
        raise ArtifactError(f"Expected a model in {path} but there is no such file.") from err
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as err:
        raise ArtifactError(f"Expected a model that automix saved in {path} but it is damaged or another's.") from err


def _read_card(text: str) -> ModelCard:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(text).items()}
    return ModelCard(**values)
