"""The guides self_attention, cam and top_down against slow forms, and what they refuse."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F

from automix.artifacts import FolderStore
from automix.errors import ArtifactError, DataError, ModelError, PolicyError, SettingError
from automix.mixing import LabelledBatch, PrepareContext
from automix.mixing.probes import CleanView, watch_attention
from automix.training.models import build_model
from automix_attention.functional import above_threshold, class_activation, similarity
from automix_attention.model_guides import ClassActivation, SelfAttention
from automix_attention.networks import FeedbackViT, Shape, from_tensors, to_tensors
from automix_attention.top_down import TopDown
from automix_attention.training import shape_for
from automix_attention.weights import load_weights

SHAPE = Shape(grid=(3, 4), patch=4, channels=3, width=16, depth=3, heads=2, num_classes=5)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network(shape: Shape = SHAPE) -> FeedbackViT:
    made = FeedbackViT.seeded(shape, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(0.3 * noise(*parameter.shape, seed=len(name)))  # nothing is 0 or 1
    return made.requires_grad_(False).eval()


def context(store: Path, *, channels: int = 3, size: tuple[int, int] = (16, 16), n: int = 24) -> PrepareContext:
    labels = torch.arange(n) % 3
    images = 0.3 * noise(n, channels, *size)
    for i, label in enumerate(labels.tolist()):  # a bright stripe whose place is the class
        images[i, :, :, 5 * label : 5 * label + 4] += 2.0

    def batches() -> Iterator[LabelledBatch]:
        for rows in torch.arange(n).split(8):
            yield images[rows], labels[rows], rows

    return PrepareContext(
        batches=batches,
        shuffled=lambda _: batches(),
        num_classes=3,
        channels=channels,
        image_size=size,
        normalization=((0.4,) * channels, (0.2,) * channels),
        device=torch.device("cpu"),
        fingerprint="stripes",
        store=FolderStore(store),
    )


# The network.


def passes_slowly(net: FeedbackViT, image: Tensor, direction: Tensor, sigma: float) -> Tensor:
    """Both passes for one image, head by head and token by token, from the fact sheet's formulas."""
    weights = {name: value.double() for name, value in net.state_dict().items()}
    shape, image, direction = net.shape, image.double(), direction.double()
    head_width = shape.width // shape.heads

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", torch.zeros(())).double()

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scale = (x.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
        return centred / scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def run(feedback: list[Tensor] | None) -> Tensor:
        tokens = [weights["cls_token"][0, 0]]
        for row in range(shape.grid[0]):
            for column in range(shape.grid[1]):
                patch = image[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
                kernel = weights["patch_embed.proj.weight"]
                tokens.append((kernel * patch).sum(dim=(1, 2, 3)) + weights["patch_embed.proj.bias"])
        x = torch.stack(tokens) + weights["pos_embed"][0]
        for number in range(shape.depth):
            block = f"blocks.{number}"
            q, k, v = linear(norm(x, f"{block}.norm1"), f"{block}.attn.qkv").split(shape.width, dim=-1)
            if feedback is not None:
                v = v + linear(feedback[number], f"{block}.attn.qkv").split(shape.width, dim=-1)[2]
            heads = []
            for head in range(shape.heads):
                part = slice(head * head_width, (head + 1) * head_width)
                scores = q[:, part] @ k[:, part].T / head_width**0.5
                heads.append(scores.softmax(-1) @ v[:, part])
            x = x + linear(torch.cat(heads, dim=-1), f"{block}.attn.proj")
            x = x + linear(F.gelu(linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")), f"{block}.mlp.fc2")
        return norm(x, "norm")

    first = run(None)
    if sigma == 0:
        return first
    signal = torch.stack([z * float(torch.clamp(F.cosine_similarity(z, direction, dim=0), 0, 1)) for z in first])
    sent: dict[int, Tensor] = {}
    for number in (2, 1, 0):
        signal = signal @ weights[f"decoders.{number}.linear.weight"].T
        sent[number] = sigma * signal @ weights[f"decoders.{number}.linear2.weight"].T
    return run([sent[0], sent[1], sent[2]])


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.0])
def test_both_passes_follow_the_formulas(sigma: float) -> None:
    net, images, direction = network(), noise(2, 3, 12, 16), noise(2, 16, seed=3)
    tokens = net.attend(images, direction, sigma)
    for i in range(2):
        slowly = passes_slowly(net, images[i], direction[i], sigma)
        torch.testing.assert_close(tokens[i].double(), slowly, atol=2e-4, rtol=1e-4)


def test_without_feedback_there_is_one_pass_and_not_a_second_with_nothing_in_it() -> None:
    """Feedback of 0 still adds the bias of the values: a trap of the released code."""
    net, images, direction = network(), noise(2, 3, 12, 16), noise(2, 16, seed=3)
    assert torch.equal(net.attend(images, direction, 0.0), net.tokens(images))
    empty = [torch.zeros(2, 13, 16)] * 3
    assert (net.tokens(images, empty) - net.tokens(images)).abs().max() > 0.01


def test_only_decoders_learn_to_reconstruct() -> None:
    net = FeedbackViT.seeded(SHAPE, torch.Generator().manual_seed(0))
    trace: list[tuple[Tensor, Tensor]] = []
    net.tokens(noise(2, 3, 12, 16), None, trace)
    error = net.reconstruction(trace)
    slowly = torch.zeros(())
    for number, (before, after) in enumerate(trace):
        weight = net.state_dict()[f"decoders.{number}.linear.weight"]
        slowly = slowly + (after @ weight.T - before).square().mean()
    torch.testing.assert_close(error, slowly)
    error.backward()  # type: ignore[no-untyped-call]
    learning = {name for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert learning == {f"decoders.{i}.linear.weight" for i in range(3)}


def test_a_new_network_comes_from_its_generator_alone() -> None:
    state = torch.get_rng_state()
    one, other = (FeedbackViT.seeded(SHAPE, torch.Generator().manual_seed(7)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_networks_travel_as_tensors() -> None:
    net = network()
    again = from_tensors(to_tensors(net))
    assert again.shape == net.shape
    images, direction = noise(2, 3, 12, 16), noise(2, 16)
    assert torch.equal(again.attend(images, direction, 1.0), net.attend(images, direction, 1.0))


@pytest.mark.parametrize(
    ("size", "grid", "patch"),
    [((8, 8), (4, 4), 2), ((32, 32), (8, 8), 4), ((64, 96), (8, 12), 8), ((448, 224), (14, 14), 16)],
)
def test_patches_suit_the_images(tmp_path: Path, size: tuple[int, int], grid: tuple[int, int], patch: int) -> None:
    shape = shape_for(replace(context(tmp_path), image_size=size), "mini")
    assert (shape.grid, shape.patch) == (grid, patch)


# Maps.


def test_similarity_and_threshold_follow_the_formulas() -> None:
    tokens, direction = noise(2, 5, 4), noise(2, 4, seed=1)
    agreement = similarity(tokens, direction)
    for b in range(2):
        for n in range(5):
            cosine = float(tokens[b, n] @ direction[b] / tokens[b, n].norm() / direction[b].norm())
            assert float(agreement[b, n]) == pytest.approx(min(max(cosine, 0), 1), abs=1e-6)
    maps = noise(3, 1, 4, 4).abs()
    for fraction in (0.0, 0.7):
        cut = above_threshold(maps, fraction)
        for one, expected in zip(cut, maps, strict=True):
            level = fraction * float(expected.max()) + (1 - fraction) * float(expected.min())
            torch.testing.assert_close(one, (expected - level).clamp(min=0))
    assert not above_threshold(torch.ones(1, 1, 3, 3), 0.7).any()


def test_class_activation_is_the_classifiers_row_over_the_features() -> None:
    features, rows = noise(2, 6, 3, 4), noise(2, 6, seed=1)
    maps = class_activation(features, rows)
    for b in range(2):
        slowly = torch.tensor([[max(0.0, float(rows[b] @ features[b, :, y, x])) for x in range(4)] for y in range(3)])
        torch.testing.assert_close(maps[b, 0], slowly / slowly.max(), atol=1e-5, rtol=1e-5)
    assert not class_activation(torch.ones(1, 2, 2, 2), -torch.ones(1, 2)).any()


def test_cam_follows_the_trained_model() -> None:
    model, images, labels = (
        build_model("automix_resnet8", num_classes=5, channels=3, image_size=(16, 16)),
        noise(4, 3, 16, 16),
        torch.arange(4),
    )
    view = CleanView(model, images, ClassActivation().sees)
    maps = ClassActivation().maps(images, labels, view)
    net: Any = model.eval()
    with torch.no_grad():
        features, weight = net.forward_features(images), net.fc.weight
    expected = torch.einsum("bchw,bc->bhw", features, weight[labels]).clamp(min=0)
    torch.testing.assert_close(maps[:, 0] * expected.amax(dim=(1, 2), keepdim=True), expected, atol=1e-5, rtol=1e-4)


def test_self_attention_is_the_class_tokens_row_of_the_last_block() -> None:
    model, images = (
        build_model("automix_vit_mini", num_classes=5, channels=3, image_size=(16, 16)).eval(),
        noise(3, 3, 16, 16),
    )
    seen: list[Tensor] = []
    with torch.no_grad(), watch_attention(model, lambda attention: seen.append(attention.weights), [3]):
        model(images)
    maps = SelfAttention().maps(images, torch.arange(3), CleanView(model, images, SelfAttention().sees))
    row = seen[0][:, 0, 1:]
    torch.testing.assert_close(maps.flatten(1), row / row.sum(dim=1, keepdim=True))
    torch.testing.assert_close(maps.sum(dim=(1, 2, 3)), torch.ones(3))


def test_a_model_without_attention_is_refused_with_the_reason() -> None:
    model, images = build_model("automix_resnet8", num_classes=5, channels=3, image_size=(16, 16)), noise(2, 3, 16, 16)
    with pytest.raises(ModelError, match="convolutional network"):
        SelfAttention().maps(images, torch.zeros(2, dtype=torch.long), CleanView(model, images, SelfAttention().sees))


def test_self_direction_asks_the_model_in_training_and_needs_no_network() -> None:
    model, images, labels = (
        build_model("automix_vit_mini", num_classes=5, channels=3, image_size=(16, 16)),
        noise(3, 3, 16, 16),
        torch.tensor([4, 0, 2]),
    )
    guide = TopDown(direction="self", threshold=0.0)
    assert guide.sees == {"features"}
    assert not guide.is_frozen
    view = CleanView(model, images, guide.sees)
    maps = guide.maps(images, labels, view)
    features, rows = view.features(), view.class_rows()
    expected = F.cosine_similarity(features, rows[labels][:, :, None, None], dim=1).clamp(0, 1)
    expected = expected - expected.amin(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(maps[:, 0], expected, atol=1e-6, rtol=1e-5)


def test_settings_without_effect_are_refused() -> None:
    with pytest.raises(SettingError, match=r"`sigma` = 0\.5 has no effect"):
        TopDown(direction="self", sigma=0.5)


# Making the network.


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TopDown, PrepareContext]:
    made = context(tmp_path_factory.mktemp("store"))
    guide = TopDown(epochs=6)
    guide.prepare(made)
    return guide, made


def test_a_trained_guide_looks_for_what_it_is_told(trained: tuple[TopDown, PrepareContext]) -> None:
    """The same image, told another class, has another map; no map has a gradient."""
    guide, made = trained
    assert guide.is_frozen
    images, labels, _ = next(made.batches())
    maps, others = guide.maps(images, labels), guide.maps(images, (labels + 1) % 3)
    assert (maps - others).abs().amax(dim=(1, 2, 3)).min() > 0
    assert not maps.requires_grad
    assert torch.equal(guide.maps(images, labels), maps)


def test_sigma_and_direction_change_the_map_and_share_one_network(trained: tuple[TopDown, PrepareContext]) -> None:
    guide, made = trained
    images, labels, _ = next(made.batches())
    maps = [guide.maps(images, labels)]
    for params in ({"sigma": 0.0}, {"direction": "prompt"}):
        other = TopDown(epochs=6, **params)
        other.prepare(made)
        maps.append(other.maps(images, labels))
    assert len({tuple(one.flatten().tolist()) for one in maps}) == 3
    assert isinstance(made.store, FolderStore)
    assert len(made.store.listed()) == 1


def test_an_unprepared_guide_says_where_networks_come_from() -> None:
    with pytest.raises(PolicyError, match="no network yet: it is trained on training images by a search"):
        TopDown().maps(noise(1, 3, 16, 16), torch.tensor([0]))


def test_labels_of_other_classes_are_refused(trained: tuple[TopDown, PrepareContext]) -> None:
    with pytest.raises(DataError, match=r"Expected labels below 3, the number of classes .* but got 7"):
        trained[0].maps(noise(2, 3, 16, 16), torch.tensor([1, 7]))


# Weights from a file.


def weights_file(path: Path, nested: str | None = "model", **changes: Any) -> Path:
    """Write a network in AbSViT's format, with a head of 1000 classes."""
    shape = Shape(grid=(4, 4), patch=8, channels=3, width=64, depth=2, heads=1, num_classes=1000)
    weights = {**network(shape).state_dict(), **changes}
    weights = {name: value for name, value in weights.items() if value is not None}
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(weights, path)
    else:
        torch.save({nested: weights, "args": argparse.Namespace(lr=1)} if nested else weights, path)
    return path


@pytest.mark.parametrize(("name", "nested"), [("a.pth", "model"), ("a.pth", None), ("a.safetensors", None)])
def test_weights_are_loaded_and_their_classifier_is_dropped(tmp_path: Path, name: str, nested: str | None) -> None:
    path = weights_file(tmp_path / name, nested)
    guide = TopDown(weights=str(path))
    made = context(tmp_path / "store")
    guide.prepare(made)
    net = guide._network
    assert net is not None
    assert (net.shape.num_classes, net.shape.grid, net.shape.patch) == (3, (4, 4), 8)
    original = network(Shape(grid=(4, 4), patch=8, channels=3, width=64, depth=2, heads=1, num_classes=1000))
    assert torch.equal(net.blocks[1].attn.qkv.weight, original.blocks[1].attn.qkv.weight)  # type: ignore[union-attr, arg-type]
    images, labels, _ = next(made.batches())
    maps = guide.maps(images, labels)
    assert maps.shape == (8, 1, 4, 4)
    # The new classifier was fitted to the class tokens: it knows the training images.
    hits = 0
    for images, labels, _ in made.batches():
        tokens = net.attend(net.resized(images), net.prompt.expand(len(images), -1), 1.0)
        hits += int((net.head(tokens[:, 0]).argmax(dim=1) == labels).sum())
    assert hits >= 20


def test_loaded_weights_see_images_as_they_are_normalised_here(tmp_path: Path) -> None:
    """Pixels normalised as AbSViT's give what it gives; the first layer takes up the difference."""
    path = weights_file(tmp_path / "a.pth")
    net = load_weights(path, context(tmp_path / "store"))
    original = network(Shape(grid=(4, 4), patch=8, channels=3, width=64, depth=2, heads=1, num_classes=1000))
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    theirs = (pixels - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    ours = (pixels - 0.4) / 0.2
    torch.testing.assert_close(net.tokens(ours), original.tokens(theirs), atol=1e-3, rtol=1e-3)


def test_grey_images_count_as_three_equal_channels(tmp_path: Path) -> None:
    path = weights_file(tmp_path / "a.pth")
    grey = load_weights(path, context(tmp_path / "grey", channels=1))
    colour = load_weights(path, context(tmp_path / "colour"))
    images = noise(2, 1, 32, 32)
    torch.testing.assert_close(grey.tokens(images), colour.tokens(images.expand(-1, 3, -1, -1)), atol=1e-3, rtol=1e-3)
    with pytest.raises(ModelError, match="1 or 3 channels for these weights but got 4"):
        load_weights(path, context(tmp_path / "four", channels=4))


def test_missing_damaged_and_other_files_are_told_apart(tmp_path: Path) -> None:
    made = context(tmp_path / "store")
    with pytest.raises(
        ArtifactError, match=r"nowhere\.pth \(`weights` of the guide top_down\) but there is no such file"
    ):
        TopDown(weights=str(tmp_path / "nowhere.pth")).prepare(made)
    (tmp_path / "bad.pth").write_bytes(b"not a zip")
    with pytest.raises(ArtifactError, match="is damaged, or holds more than weights"):
        TopDown(weights=str(tmp_path / "bad.pth")).prepare(made)
    plain = weights_file(tmp_path / "plain.pth", **{"prompt": None, "decoders.0.linear.weight": None})
    with pytest.raises(ArtifactError, match=r"decoders\.0\.linear\.weight, prompt are missing: a plain ViT has no"):
        TopDown(weights=str(plain)).prepare(made)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ArtifactError, match=r"Expected a state dict in .*list\.pth but got a list"):
        TopDown(weights=str(tmp_path / "list.pth")).prepare(made)
    assert isinstance(made.store, FolderStore)
    assert made.store.listed() == []


def test_another_file_of_the_same_name_is_another_artifact(tmp_path: Path) -> None:
    made = context(tmp_path / "store")
    path = weights_file(tmp_path / "a.pth")
    TopDown(weights=str(path)).prepare(made)
    weights_file(path, prompt=torch.ones(64))
    TopDown(weights=str(path)).prepare(made)
    assert isinstance(made.store, FolderStore)
    assert len(made.store.listed()) == 2
