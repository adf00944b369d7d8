"""PolicyMixer: what a training loop sees."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from automix.errors import DataError, PolicyError, SettingError, UnknownNameError
from automix.manager import build_host
from automix.mixing import Card, LabelRule, MixedBatch, ModelInfo, PairPlan, soft_cross_entropy
from automix.mixing.families import BlendMixer
from automix.policy import Branch, ComponentSpec, PolicyDocument, PolicyMixer, compile_policy, complete
from automix.registry import Entry, Registry


class HalfBlend(BlendMixer):
    """Blends half and half, so that a test knows what to expect."""

    name = "half"
    card: ClassVar[Card] = Card(title="Half", summary="Half and half.")

    def decide(self, batch: Any, perm: Tensor, lam: Tensor, generator: torch.Generator) -> PairPlan:
        return PairPlan(perm=perm, lam=torch.full((len(perm),), 0.5))


class WithLoss(HalfBlend):
    name = "with_loss"

    def extra_modules(self, info: ModelInfo) -> dict[str, nn.Module]:
        return {"scale": nn.Linear(info.num_classes, 1)}

    def loss(self, context: Any) -> Tensor:
        # Asked for twice: it must be computed once.
        assert context.clean_logits() is context.clean_logits()
        return 10.0 + 0.0 * context.extra["scale"](context.clean_logits()).sum()


class ByLogits(LabelRule):
    """All weight to the source whose class the model finds likelier."""

    name = "by_logits"
    when = "after"
    card: ClassVar[Card] = Card(title="By logits", summary="Looks at the model's answer.")

    def after(self, mixed: MixedBatch, batch: Any, seen: Any) -> MixedBatch:
        from dataclasses import replace

        scores = seen.logits.gather(1, batch.labels[mixed.sources])
        return replace(mixed, weights=nn.functional.one_hot(scores.argmax(1), 2).float())


@pytest.fixture(scope="module")
def registry() -> Registry:
    registry = build_host(allow=["automix_basics", "automix_none", "automix_mixup", "automix_cutmix"]).registry
    for component in (HalfBlend, WithLoss, ByLogits):
        registry.add(Entry(component.name, component.kind, component))
    return registry


@pytest.fixture
def build(registry: Registry) -> Callable[..., PolicyMixer]:
    def make(document: PolicyDocument, **options: Any) -> PolicyMixer:
        return compile_policy(document, registry, **{"num_classes": 4, **options})

    return make


def policy(*mixers: str, **fields: Any) -> PolicyDocument:
    branches = tuple(Branch(mixer=ComponentSpec(name=name)) for name in mixers)
    return PolicyDocument(branches=branches, **fields)


def batch(n: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, 8, 8, generator=generator), torch.arange(n) % 4


def test_targets_follow_the_images(build: Callable[..., PolicyMixer]) -> None:
    labels = torch.arange(4)
    images = labels[:, None, None, None].float().expand(4, 1, 8, 8).contiguous()
    mixed, targets = build(policy("cutmix"))(images, labels)
    share = torch.stack([(mixed == k).float().mean(dim=(1, 2, 3)) for k in range(4)], dim=1)
    torch.testing.assert_close(targets, share)


def test_dense_labels_give_the_same_targets_as_class_indices(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    rows = nn.functional.one_hot(labels, 4).float()
    _, from_indices = build(policy("mixup"))(images, labels)
    _, from_rows = build(policy("mixup"))(images, rows)
    torch.testing.assert_close(from_indices, from_rows)


def test_label_smoothing_spreads_mass_evenly(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    _, plain = build(policy("mixup"))(images, labels)
    _, smooth = build(policy("mixup", label_smoothing=0.1))(images, labels)
    torch.testing.assert_close(smooth, 0.9 * plain + 0.1 / 4)


def test_loss_is_soft_cross_entropy_of_the_targets(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    document = policy("mixup", label_smoothing=0.1)
    mixed, targets = build(document)(images, labels)
    torch.testing.assert_close(build(document).loss(model, images, labels), soft_cross_entropy(model(mixed), targets))


def test_streams_depend_on_the_place_not_on_history_or_global_state(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    first, second = build(policy("mixup")), build(policy("mixup"))
    for step in range(3):
        first.batch(images, labels, epoch=0, step=step)
    torch.manual_seed(99)
    a = first.batch(images, labels, epoch=2, step=5).mixed.images
    state = torch.get_rng_state()
    b = second.batch(images, labels, epoch=2, step=5).mixed.images
    assert torch.equal(a, b)
    assert torch.equal(state, torch.get_rng_state())


def test_calls_count_batches_and_set_epoch_starts_again(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    mix = build(policy("mixup"))
    first, second = mix(images, labels)[0], mix(images, labels)[0]
    assert not torch.equal(first, second)
    mix.set_epoch(0)
    assert torch.equal(mix(images, labels)[0], first)


def test_branches_are_drawn_by_weight(build: Callable[..., PolicyMixer]) -> None:
    branches = (
        Branch(weight=1.0, mixer=ComponentSpec(name="none")),
        Branch(weight=3.0, mixer=ComponentSpec(name="half")),
    )
    mix = build(PolicyDocument(branches=branches))
    images, labels = batch(2)
    drawn = [mix.batch(images, labels, epoch=0, step=s).branch for s in range(2000)]
    share = sum(b is not None and b.mixer.name == "half" for b in drawn) / len(drawn)
    assert abs(share - 0.75) < 0.04  # four standard deviations


def test_schedule_switches_mixing_off(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    mix = build(policy("half", schedule={"start": 0.2, "stop": 0.9}))
    active = {}
    for fraction in (0.0, 0.2, 0.89, 0.9, 1.0):
        mix.set_progress(fraction)
        active[fraction] = not torch.equal(mix(images, labels)[0], images)
    assert active == {0.0: False, 0.2: True, 0.89: True, 0.9: False, 1.0: False}


def test_a_schedule_without_progress_warns_once(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    mix = build(policy("half", schedule={"stop": 0.9}))
    with pytest.warns(UserWarning, match="set_progress"):
        mix(images, labels)
    mix(images, labels)


def test_a_rule_that_acts_after_the_forward_pass_sees_the_logits(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch(4)
    document = PolicyDocument(
        branches=(Branch(mixer=ComponentSpec(name="half"), labels=ComponentSpec(name="by_logits")),)
    )
    mix = build(document)
    with pytest.raises(PolicyError, match=r"mix\.loss"):
        mix(images, labels)
    always_two = torch.tensor([0.0, 0.0, 5.0, 0.0])
    step = mix.batch(images, labels, epoch=0, step=0)
    chosen = torch.where((labels[step.mixed.sources] == 2).any(1), 2, labels[step.mixed.sources[:, 0]])
    expected = nn.functional.cross_entropy(always_two.expand(4, 4), chosen)
    torch.testing.assert_close(mix.criterion(step, always_two.expand(4, 4)), expected)


def test_an_extra_loss_is_added_and_its_modules_are_handed_out(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    mix = build(policy("with_loss"))
    assert set(mix.extra_modules(ModelInfo(num_features=192, num_classes=4))) == {"scale"}
    plain = build(policy("half")).loss(model, images, labels)
    torch.testing.assert_close(mix.loss(model, images, labels), plain + 10.0)
    with pytest.raises(PolicyError, match="must see the model"):
        mix.criterion(mix.batch(images, labels, epoch=0, step=0), torch.zeros(6, 4))


def test_it_pickles_into_a_worker(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    mix = build(policy("cutmix"))
    copy = pickle.loads(pickle.dumps(mix))
    assert torch.equal(mix(images, labels)[0], copy(images, labels)[0])


def test_a_held_batch_is_not_overwritten(build: Callable[..., PolicyMixer]) -> None:
    images, labels = batch()
    mix = build(policy("mixup"))
    held = mix(images, labels)[0]
    copy = held.clone()
    for _ in range(10):
        mix(images, labels)
    assert torch.equal(held, copy)


@pytest.mark.parametrize(
    ("document", "kind", "parts"),
    [
        (policy("cutmx"), UnknownNameError, ["cutmx", "cutmix", "branches[0]"]),
        (PolicyDocument.of("mixup", prob=2), SettingError, ["prob", "[0, 1]", "2"]),
        (PolicyDocument.of("mixup", alfa=2), UnknownNameError, ["alfa"]),
        (
            PolicyDocument(branches=(Branch(mixer=ComponentSpec(name="none"), ratio=ComponentSpec(name="beta")),)),
            PolicyError,
            ["none", "ratio"],
        ),
        (policy("mixup", input=ComponentSpec(name="nowhere")), UnknownNameError, ["nowhere", "standard"]),
    ],
)
def test_wrong_policies_are_refused_in_one_line(
    build: Callable[..., PolicyMixer], document: PolicyDocument, kind: type, parts: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        build(document)
    for part in parts:
        assert part in str(caught.value)


def test_complete_writes_defaults_out_so_that_equal_policies_have_one_key(registry: Registry) -> None:
    implicit, explicit = PolicyDocument.of("mixup"), PolicyDocument.of("mixup", prob=1.0)
    assert implicit.key() != explicit.key()
    assert complete(implicit, registry).key() == complete(explicit, registry).key()
    assert complete(complete(implicit, registry), registry) == complete(implicit, registry)


@pytest.mark.parametrize(
    ("images", "labels", "part"),
    [
        (torch.zeros(3, 8, 8), torch.zeros(3, dtype=torch.long), r"\(B, C, H, W\)"),
        (torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.zeros(3, dtype=torch.long), "float"),
        (torch.zeros(3, 1, 8, 8), torch.zeros(2, dtype=torch.long), "one label"),
        (torch.zeros(3, 1, 8, 8), torch.zeros(3), "integers"),
        (torch.zeros(3, 1, 8, 8), torch.zeros(3, 7), "4 classes"),
    ],
)
def test_wrong_batches_are_refused(
    build: Callable[..., PolicyMixer], images: Tensor, labels: Tensor, part: str
) -> None:
    with pytest.raises(DataError, match=part):
        build(policy("mixup"))(images, labels)


def test_num_classes_must_make_sense(build: Callable[..., PolicyMixer]) -> None:
    with pytest.raises(SettingError, match="num_classes"):
        build(policy("mixup"), num_classes=1)
