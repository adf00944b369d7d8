"""Policies whose guide or loss looks into the model: one clean pass for all, and words where the model is missing."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import timm
import torch
from torch import Tensor, nn

from automix.errors import PolicyError
from automix.manager import build_host
from automix.mixing import Batch, Card, Guide, LossContext, ModelInfo, PairPlan
from automix.mixing.families import BlendMixer
from automix.mixing.probes import CleanView, anatomy
from automix.policy import PolicyDocument, PolicyMixer, compile_policy
from automix.registry import Entry


class Gaze(Guide):
    """The model's own attention."""

    name = "gaze"
    card: ClassVar[Card] = Card(title="Gaze", summary="For tests.")

    @property
    def sees(self) -> frozenset[str]:
        return frozenset({"attention"})

    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        assert clean is not None
        return clean.attention()


class GazeBlend(BlendMixer):
    """Blends by how much the guide found, and pulls logits and features towards what the clean images gave."""

    name = "gaze_blend"
    card: ClassVar[Card] = Card(title="Gaze blend", summary="For tests.")
    reads = BlendMixer.reads | {"guide"}
    defaults: ClassVar[Any] = {**BlendMixer.defaults, "guide": Gaze()}

    @property
    def probes(self) -> frozenset[str]:
        return frozenset({"features"})

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> PairPlan:
        mass = self.importance(batch).sum(dim=(1, 2, 3)).cpu()
        return PairPlan(perm=perm, lam=mass / (mass + mass[perm]))

    def loss(self, context: LossContext) -> Tensor:
        features = context.probes["features"]
        assert features.requires_grad
        assert features.shape == (4, 64, 8, 8)
        return (context.logits - context.clean_logits()).square().mean() + features.square().mean()


@pytest.fixture
def mix() -> PolicyMixer:
    registry = build_host().registry
    for component in (Gaze, GazeBlend):
        registry.add(Entry(component.name, component.kind, component))
    document = PolicyDocument.from_dict({"schema": "automix.policy/1", "branches": [{"mixer": {"name": "gaze_blend"}}]})
    return compile_policy(document, registry, num_classes=5)


@pytest.fixture
def model() -> nn.Module:
    import automix.training.nets  # noqa: F401  (registers automix_vit_mini)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm.create_model("automix_vit_mini", num_classes=5, img_size=(16, 16)).train()


def batch() -> tuple[Tensor, Tensor]:
    return torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.arange(4)


def test_guide_and_loss_share_one_clean_pass(mix: PolicyMixer, model: nn.Module) -> None:
    runs: list[tuple[bool, bool]] = []
    model.register_forward_pre_hook(lambda m, _: runs.append((m.training, torch.is_grad_enabled())))
    step = mix.batch(*batch(), epoch=0, step=0, model=model)
    assert runs == [(False, False)]  # the guide has asked
    with step.watching():
        logits = model(step.mixed.images)
    mix.criterion(step, logits).backward()
    assert runs == [(False, False), (True, True)]
    assert model.training
    assert all(module.training for module in model.modules())


def test_the_loss_adds_up(mix: PolicyMixer, model: nn.Module) -> None:
    model.eval()
    step = mix.batch(*batch(), epoch=0, step=0, model=model)
    with step.watching():
        logits = model(step.mixed.images)
    features = model.forward_features(step.mixed.images)[:, 1:]
    clean = model(step.batch.images)
    expected = nn.functional.cross_entropy(logits, step.targets)
    expected = expected + (logits - clean).square().mean() + features.square().mean()
    torch.testing.assert_close(mix.criterion(step, logits), expected)
    torch.testing.assert_close(mix.loss(model, *batch()), expected)


def test_without_the_model_each_part_that_needs_it_is_named(mix: PolicyMixer, model: nn.Module) -> None:
    with pytest.raises(PolicyError, match=r"gaze, gaze_blend must see the model: use `loss = mix\.loss"):
        mix(*batch())
    with pytest.raises(PolicyError, match=r"The guide 'gaze' must see the model.*mix\.batch"):
        mix.batch(*batch(), epoch=0, step=0)


def test_modules_of_a_loss_may_know_how_the_model_is_built(model: nn.Module) -> None:
    info = ModelInfo(num_features=64, num_classes=5, anatomy=anatomy(model))
    assert info.anatomy is not None
    assert (info.anatomy.family, info.anatomy.grid) == ("vit", (8, 8))


def test_autocast_does_not_reach_the_mixing_but_the_clean_pass(mix: PolicyMixer, model: nn.Module) -> None:
    seen: list[torch.dtype] = []
    model.blocks[0].mlp.fc1.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        step = mix.batch(*batch(), epoch=0, step=0, model=model)
    assert seen == [torch.bfloat16]
    assert step.mixed.images.dtype == torch.float32
    assert step.batch.clean is not None
    assert step.batch.clean.logits().dtype == torch.float32
