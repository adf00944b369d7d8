"""What must hold for each registered mixer, against forms that do not know the method."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from torch import Tensor

import automix.mixing as mixing
from automix.mixing import Batch, MixedBatch, Mixer, MixPlan
from automix.policy import PolicyDocument, compile_policy
from automix.registry import Registry
from automix.testing import check_component

PLUGINS = Path(__file__).parents[2] / "plugins"
METHODS = ["between_class", "cutmix", "fmix", "gridmix", "mixup", "resizemix", "saliencymix", "smoothmix", "splicemix"]
PAIRED = [name for name in METHODS if name != "splicemix"]  # which appends what it mixes
# Names of mixers and the parameters under which each is checked.
CASES: list[tuple[str, dict[str, Any]]] = [
    ("none", {}),
    ("mixup", {}),
    ("mixup", {"draw_unit": "batch"}),
    ("cutmix", {}),
    ("cutmix", {"box_grid": 4}),
    ("cutmix", {"draw_unit": "batch"}),
    ("resizemix", {}),
    ("resizemix", {"interpolation": "bilinear", "draw_unit": "batch"}),
    ("fmix", {}),
    ("fmix", {"max_soft": 0.3, "draw_unit": "batch"}),
    ("fmix", {"reformulated": True}),
    ("gridmix", {}),
    ("gridmix", {"draw_unit": "batch"}),
    ("smoothmix", {}),
    ("smoothmix", {"draw_unit": "batch"}),
    ("splicemix", {"min_cell_px": 3, "drop_prob": 0.0}),
    ("splicemix", {"min_cell_px": 3, "grids": "1*1x2, 2*2x2, 1*2x3"}),
    ("saliencymix", {}),
    ("saliencymix", {"draw_unit": "batch"}),
    ("between_class", {"variant": "bc"}),
    ("between_class", {"variant": "bc_plus"}),
    ("between_class", {"variant": "bc_plus", "energy_ratio": False, "rescale": False, "draw_unit": "batch"}),
]


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[0], *map(str, case[1].values())]))
def mixer(request: pytest.FixtureRequest, registry: Registry) -> Mixer:
    name, params = request.param
    made: Mixer = registry.create("mixer", name, **params)
    return made


def mix(mixer: Mixer, batch: Batch, seed: int = 0) -> tuple[MixPlan, MixedBatch]:
    plan = mixer.draw(batch, torch.Generator().manual_seed(seed))
    return plan, mixer.apply(batch.images, plan)


def pixel_shares(mixer: Mixer, plan: MixPlan, n: int, size: tuple[int, int]) -> Tensor:
    """Find (B', n, H, W), how much of each pixel is whose, by mixing pictures that mark whose they are."""
    marks = torch.eye(n)[:, :, None, None].expand(n, n, *size).contiguous()
    seen = mixer.apply(marks, plan).images
    return seen / seen.sum(dim=1, keepdim=True)


def by_image(shares: Tensor, sources: Tensor, n: int) -> Tensor:
    """(B', S, h, w) by source to (B', n, h, w) by image of the batch."""
    out = torch.zeros(len(sources), n, *shares.shape[2:])
    for row, who in enumerate(sources.tolist()):
        for s, image in enumerate(who):
            out[row, image] += shares[row, s]
    return out


def test_these_are_the_registered_methods(registry: Registry) -> None:
    assert set(METHODS) | {"none"} <= set(registry.names("mixer"))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("n", "size"), [(1, (8, 8)), (2, (9, 14)), (5, (16, 11))])
def test_shares_say_what_the_pixels_hold(
    mixer: Mixer, make_batch: Any, n: int, size: tuple[int, int], seed: int
) -> None:
    batch = make_batch(n, size=size)
    plan, mixed = mix(mixer, batch, seed)
    told = by_image(mixed.shares(*size).expand(-1, -1, *size), mixed.sources, n)
    torch.testing.assert_close(told, pixel_shares(mixer, plan, n, size), atol=2e-6, rtol=0)


def test_area_shares_on_a_coarse_grid_are_means_of_the_fine_ones(mixer: Mixer, make_batch: Any) -> None:
    _, mixed = mix(mixer, make_batch(5, size=(12, 8)))
    fine = mixed.shares(12, 8).expand(-1, -1, 12, 8)
    expected = fine.unflatten(2, (4, 3)).unflatten(4, (4, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(mixed.shares(4, 4).expand_as(expected), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("n", [1, 3, 4])
def test_images_keep_shape_and_type_and_the_input_stays_as_it_was(
    mixer: Mixer, make_batch: Any, n: int, channels: int
) -> None:
    batch = make_batch(n, channels, size=(9, 12))
    before = batch.images.clone()
    _, mixed = mix(mixer, batch)
    assert len(mixed.images) >= n
    assert mixed.images.shape[1:] == batch.images.shape[1:]
    assert mixed.images.dtype == batch.images.dtype
    assert torch.equal(batch.images, before)
    torch.testing.assert_close(mixed.weights.sum(dim=1), torch.ones(len(mixed.images)))
    assert mixed.weights.min() >= 0


def test_an_image_mixed_with_itself_is_untouched(mixer: Mixer, make_batch: Any) -> None:
    """A batch of one image has only itself for a partner, whatever was drawn."""
    batch = make_batch(1, size=(11, 9))
    for seed in range(20):
        assert torch.equal(mix(mixer, batch, seed)[1].images, batch.images)


def test_rows_that_are_not_mixed_are_bit_identical(registry: Registry, mixer: Mixer, make_batch: Any) -> None:
    if "pairing" not in mixer.reads:
        return  # mixes nothing, or appends what it mixes
    params = {k: v for k, v in mixer.config().items() if k != "name"}
    half = registry.create("mixer", mixer.name, **{**params, "prob": 0.5})
    batch = make_batch(40, size=(8, 9))
    plan, mixed = mix(half, batch)
    own = plan.sources[:, -1] == torch.arange(40)
    assert 8 < int(own.sum()) < 35
    assert torch.equal(mixed.images[own], batch.images[own])
    targets = mixed.targets(batch.labels, 3)
    torch.testing.assert_close(targets[own], torch.nn.functional.one_hot(batch.labels[own], 3).float())


def test_the_same_seed_draws_the_same_batch(mixer: Mixer, make_batch: Any) -> None:
    batch = make_batch(6)
    assert torch.equal(mix(mixer, batch, 5)[1].images, mix(mixer, batch, 5)[1].images)


def test_no_global_random_state_is_read_or_written(mixer: Mixer, make_batch: Any) -> None:
    batch = make_batch(6)
    torch.manual_seed(1)
    first = mix(mixer, batch)[1].images
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, mix(mixer, batch)[1].images)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_one_draw_per_batch_gives_every_row_the_same_ratio(registry: Registry, make_batch: Any) -> None:
    for name in PAIRED:
        mixer = registry.create("mixer", name, draw_unit="batch")
        plan, _ = mix(mixer, make_batch(6), seed=3)
        assert len(set(plan.lam.tolist())) == 1, name


def test_one_draw_per_image_gives_rows_ratios_of_their_own(registry: Registry, make_batch: Any) -> None:
    """Pitfall of several ports: one ratio for a whole batch."""
    for name in PAIRED:
        plan, _ = mix(registry.create("mixer", name), make_batch(8, size=(16, 16)), seed=3)
        assert len(set(plan.lam.tolist())) > 3, name


def test_label_weight_is_the_share_of_pixels_where_that_is_declared(mixer: Mixer, make_batch: Any) -> None:
    if not mixer.share_equals_weight:
        return
    for seed in range(5):
        _, mixed = mix(mixer, make_batch(5, size=(13, 10)), seed)
        seen = by_image(mixed.shares(13, 10).mean(dim=(2, 3), keepdim=True), mixed.sources, 5)
        told = by_image(mixed.weights[:, :, None, None], mixed.sources, 5)
        torch.testing.assert_close(seen, told, atol=1e-6, rtol=0)


def test_carried_maps_hold_the_mass_that_is_still_seen(mixer: Mixer, make_batch: Any) -> None:
    batch = make_batch(4, size=(12, 12))
    plan, mixed = mix(mixer, batch, seed=2)
    maps = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    carried = mixer.carry(maps, plan)
    assert carried.shape == (*mixed.sources.shape, 6, 6)
    if mixer.name in ("resizemix", "splicemix"):
        return  # move mass: their own tests say how
    expected = maps[mixed.sources][:, :, 0] * mixed.shares(6, 6)
    torch.testing.assert_close(carried, expected)


def test_maps_are_carried_also_where_nothing_is_mixed(registry: Registry, make_batch: Any) -> None:
    maps = torch.rand(4, 1, 3, 3)
    for name in PAIRED:
        mixer = registry.create("mixer", name, prob=0.0, prob_unit="batch")
        plan = mixer.draw(make_batch(4), torch.Generator())
        assert torch.equal(mixer.carry(maps, plan), maps), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close_to_single(mixer: Mixer, make_batch: Any, dtype: torch.dtype) -> None:
    batch = make_batch(5)
    plan, mixed = mix(mixer, batch)
    half = mixer.apply(batch.images.to(dtype), plan).images
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), mixed.images, atol=0.06, rtol=0.02)


def test_byte_images_are_moved_where_declared(mixer: Mixer, make_batch: Any) -> None:
    if torch.uint8 not in mixer.dtypes:
        return
    batch = make_batch(5)
    images = (batch.images * 40 + 128).clamp(0, 255).to(torch.uint8)
    plan = mixer.draw(batch, torch.Generator().manual_seed(0))
    mixed = mixer.apply(images, plan).images
    assert mixed.dtype == torch.uint8
    assert torch.equal(mixed.float(), mixer.apply(images.float(), plan).images)


def test_it_passes_the_conformance_kit(mixer: Mixer) -> None:
    params = {k: v for k, v in mixer.config().items() if k != "name"}
    failed = [finding for finding in check_component(type(mixer), settings=params) if finding.status == "failed"]
    assert not failed, failed


@pytest.mark.parametrize("kind", ["ratio", "pairing", "labels", "guide", "input"])
def test_other_components_pass_the_conformance_kit(registry: Registry, kind: str) -> None:
    for entry in registry.entries(kind):
        settings = {"normalization": ((0.5,) * 3, (0.2,) * 3)} if kind == "input" else {}
        failed = [finding for finding in check_component(entry.obj, settings=settings) if finding.status == "failed"]
        assert not failed, (entry.name, failed)


def test_plans_drawn_on_the_cpu_are_carried_out_on_another_device(mixer: Mixer, make_batch: Any) -> None:
    """The meta device computes nothing, but refuses to meet tensors of another device."""
    batch = make_batch(6, size=(10, 9))
    plan = mixer.draw(batch, torch.Generator().manual_seed(0))
    mixed = mixer.apply(batch.images.to("meta"), plan)
    maps = torch.rand(6, 1, 4, 4, device="meta")
    for tensor in (mixed.images, mixed.shares(5, 5), mixed.weights, mixer.carry(maps, plan)):
        assert tensor.device.type == "meta" or mixer.name == "none"


@pytest.mark.parametrize("name", ["mixup", "cutmix", "resizemix", "fmix", "gridmix", "smoothmix"])
@pytest.mark.parametrize("unit", ["sample", "batch"])
def test_drawing_for_another_device_mixes_no_devices(registry: Registry, name: str, unit: str) -> None:
    """Half of the rows unmixed, so that `keep_own` is met as well. Guides and energies need real pixels."""
    images = torch.empty(12, 3, 10, 9, device="meta")
    mixer = registry.create("mixer", name, prob=0.5, draw_unit=unit)
    plan = mixer.draw(Batch(images, torch.arange(12) % 3, 3), torch.Generator().manual_seed(0))
    assert mixer.apply(images, plan).images.device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_mixes_as_the_cpu_does(mixer: Mixer, make_batch: Any) -> None:
    batch = make_batch(7, size=(17, 12))
    for seed in range(5):
        plan, mixed = mix(mixer, batch, seed)
        there = Batch(batch.images.cuda(), batch.labels.cuda(), batch.num_classes)
        plan_there, mixed_there = mix(mixer, there, seed)
        assert mixed_there.images.device.type == "cuda"
        torch.testing.assert_close(mixed_there.images.cpu(), mixed.images, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(mixed_there.weights.cpu(), mixed.weights, atol=1e-6, rtol=0)
        maps = torch.rand(7, 1, 5, 5)
        torch.testing.assert_close(
            mixer.carry(maps.cuda(), plan_there).cpu(), mixer.carry(maps, plan), atol=1e-5, rtol=0
        )


def test_every_parameter_says_what_it_does_and_where_its_default_is_from(mixer: Mixer) -> None:
    for name, param in type(mixer).params.items():
        assert param.doc.endswith("."), name
        assert param.source, name


def test_every_card_is_filled(mixer: Mixer) -> None:
    card = mixer.card
    assert card.title
    assert card.summary.endswith(".")
    assert mixer.name == "none" or (card.code and card.year and card.differences and card.use_when)


@pytest.mark.parametrize("folder", sorted(p.name for p in PLUGINS.glob("automix_*")))
def test_readme_has_its_front_matter_and_an_example_that_compiles(folder: str, registry: Registry) -> None:
    text = (PLUGINS / folder / "README.md").read_text(encoding="utf-8")
    yaml = YAML(typ="safe")
    front = yaml.load(io.StringIO(text.split("---")[1]))
    assert set(front) >= {"title", "paper", "arxiv", "code", "licence", "needs"}
    examples = text.split("```yaml")[1:]
    assert examples
    for example in examples:
        document = PolicyDocument.from_dict(yaml.load(io.StringIO(example.split("```")[0])))
        compile_policy(document, registry, num_classes=10, normalization=((0.5,), (0.2,)))
    assert (PLUGINS / folder / "py.typed").exists()


def test_plugins_import_only_what_a_stranger_may(registry: Registry) -> None:
    assert mixing.__all__
    for file in PLUGINS.glob("*/*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.lstrip().startswith(("from automix", "import automix")):
                module = line.split()[1]
                own = module.split(".")[0] == file.parent.name
                public = module.startswith(
                    ("automix.mixing", "automix.hookspecs", "automix.errors", "automix.registry")
                )
                assert own or public, f"{file}: {line}"
