"""Checks of label rules: before the forward pass, and after it with small transformers to look into."""

from __future__ import annotations

from contextlib import nullcontext
from typing import cast

import torch
from torch import Tensor, nn

from automix.errors import PolicyError
from automix.mixing import Batch, BlendMixer, BoxMixer, BoxPlan, LabelRule, MixedBatch, Observed, PairPlan, Streams
from automix.mixing.probes import anatomy, watch_attention
from automix.testing.findings import Check, ContractError, NotApplicable, expect, expect_close, expect_equal
from automix.testing.networks import small_swin, small_vit
from automix.testing.subject import Subject

__all__ = ["RULE_CHECKS"]

_SIZE = 16
# Row by row: its own partner, then a large and a small box of another image.
_PARTNERS = (0, 2, 3, 1)
_BOXES = ((0, 0, 8, 8), (4, 0, 16, 16), (1, 2, 6, 5), (0, 0, 0, 0))


class _Pasting(BoxMixer):
    """Pastes boxes that were written down."""

    name = "pasting"

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> BoxPlan:
        return BoxPlan.from_boxes(torch.tensor(_PARTNERS), torch.tensor(_BOXES), batch.size)


class _Blending(BlendMixer):
    """Blends at ratios that were written down."""

    name = "blending"

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> PairPlan:
        return PairPlan(perm=torch.tensor(_PARTNERS), lam=torch.tensor([0.5, 0.7, 0.2, 1.0]))


def rules_keep_the_pictures(subject: Subject) -> None:
    """A rule for before the forward pass changes weights only, which sum to 1; a rule for after it refuses `before`."""
    rule, (mixed, batch) = _rule(subject), _mixed(_Pasting())
    if rule.when == "after":
        try:
            rule.before(mixed, batch)
        except PolicyError:
            return
        raise ContractError("expected `before` to be refused with a PolicyError")
    _expect_weights(rule.before(mixed, batch), mixed)


def rules_weigh_what_the_model_sees(subject: Subject) -> None:
    """Weights found after the forward pass sum to 1, without gradient, and leave a row that was not mixed its label."""
    rule, (mixed, batch) = _after(subject), _mixed(_Pasting())
    for model in (small_vit(), small_swin()):
        ruled, again = _ruled(rule, model, mixed, batch), _ruled(rule, model, mixed, batch)
        _expect_weights(ruled, mixed)
        expect(not ruled.weights.requires_grad, "expected label weights without gradient")
        expect_equal(again.weights, ruled.weights, "label weights of the same batch")
        own = torch.zeros(batch.num_classes)
        own[batch.labels[0]] = 1.0
        expect_close(ruled.targets(batch.labels, batch.num_classes)[0], own, "target of a row that is its own partner")


def rules_leave_even_blends_alone(subject: Subject) -> None:
    """A rule that looks at attention keeps the weights where every place of a picture is mixed alike."""
    rule, (mixed, batch) = _after(subject), _mixed(_Blending())
    if not rule.probes:
        raise NotApplicable("the rule does not look at where the sources are")
    for model in (small_vit(), small_swin()):
        expect_equal(_ruled(rule, model, mixed, batch).weights, mixed.weights, "label weights of an even blend")


def _rule(subject: Subject) -> LabelRule:
    return cast(LabelRule, subject.component)


def _after(subject: Subject) -> LabelRule:
    rule = _rule(subject)
    if rule.when != "after":
        raise NotApplicable("the rule acts before the forward pass")
    return rule


def _mixed(mixer: BoxMixer | BlendMixer) -> tuple[MixedBatch, Batch]:
    images = torch.rand(4, 3, _SIZE, _SIZE, generator=Streams(0).generator("labels"))
    batch = Batch(images=images, labels=torch.arange(4), num_classes=4)
    return mixer.apply(images, mixer.draw(batch, Streams(0).generator("labels", 1))), batch


def _ruled(rule: LabelRule, model: nn.Module, mixed: MixedBatch, batch: Batch) -> MixedBatch:
    follower = rule.follow(mixed, batch, anatomy(model))
    watching = watch_attention(model, follower.see, follower.blocks, follower.heads) if follower else nullcontext()
    with watching:
        logits: Tensor = model(mixed.images)
    return rule.after(mixed, batch, Observed(logits.detach(), follower))


def _expect_weights(ruled: MixedBatch, mixed: MixedBatch) -> None:
    expect_equal(ruled.images, mixed.images, "images after the rule")
    expect_equal(ruled.sources, mixed.sources, "sources after the rule")
    expect(ruled.weights.dtype == torch.float32, f"expected float32 weights but got {ruled.weights.dtype}")
    low, high = float(ruled.weights.min()), float(ruled.weights.max())
    expect(low >= 0.0 and high <= 1.0 + 1e-6, f"expected weights in [0, 1] but got {low:.6g} .. {high:.6g}")
    expect_close(ruled.weights.sum(dim=1), torch.ones(len(ruled.weights)), "sums of label weights")


RULE_CHECKS: tuple[Check, ...] = (
    rules_keep_the_pictures,
    rules_weigh_what_the_model_sees,
    rules_leave_even_blends_alone,
)
