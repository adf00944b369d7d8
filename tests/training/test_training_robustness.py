"""Corruptions are what their names say, the same for every model, and act on pixels before the policy's treatment."""

from __future__ import annotations

import pytest
import torch

from automix.training.robustness import CORRUPTIONS


def corrupted(name: str, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return CORRUPTIONS[name](images, torch.Generator().manual_seed(seed))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand((3, 2, 12, 9), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_changes_every_image_alike_each_time_and_leaves_its_input_alone(
    name: str, images: torch.Tensor
) -> None:
    before = images.clone()
    first, again = corrupted(name, images), corrupted(name, images)
    assert torch.equal(first, again)
    assert torch.equal(images, before)
    assert first.shape == images.shape
    assert (first != images).flatten(1).any(dim=1).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("size", [(1, 3, 2, 2), (2, 1, 8, 8), (1, 3, 224, 224)])
def test_corruption_works_on_any_size(name: str, size: tuple[int, ...]) -> None:
    assert corrupted(name, torch.full(size, 0.25)).shape == size


def test_blur_keeps_the_mean_of_what_is_flat_and_spreads_a_point() -> None:
    assert torch.allclose(corrupted("blur", torch.full((1, 1, 9, 9), 0.3)), torch.tensor(0.3))
    point = torch.zeros(1, 1, 9, 9)
    point[0, 0, 4, 4] = 1
    spread = corrupted("blur", point)
    assert spread.sum() == pytest.approx(1)
    assert 0 < spread[0, 0, 4, 5] < spread[0, 0, 4, 4] < 1
    assert torch.allclose(spread, spread.transpose(2, 3))


def test_contrast_and_brightness_are_the_formulas(images: torch.Tensor) -> None:
    means = torch.stack([image.mean() for image in images])[:, None, None, None]
    assert torch.allclose(corrupted("contrast", images), means + 0.4 * (images - means))
    assert torch.allclose(corrupted("brightness", images), images + 0.25)


def test_occlusion_covers_one_square_per_image_wholly_inside(images: torch.Tensor) -> None:
    covered = corrupted("occlusion", images) != images
    side = round(0.4 * 9)
    for one in covered:
        rows, columns = one.any(dim=0).any(dim=1).nonzero().flatten(), one.any(dim=0).any(dim=0).nonzero().flatten()
        assert len(rows) == len(columns) == side
        assert rows[-1] - rows[0] == columns[-1] - columns[0] == side - 1
    assert (corrupted("occlusion", images)[covered] == 0.5).all()


def test_training_reports_robustness_only_where_it_is_asked_for(make_plan) -> None:
    from automix.policy import PolicyDocument
    from automix.training.loop import train

    plan = make_plan(epochs=2)
    document = PolicyDocument.of("none")
    plain = train(plan.data, document, plan.settings, registry=plan.host.registry)
    robust = train(plan.data, document, plan.settings, registry=plan.host.registry, robust=True)
    assert all("val/robustness" not in report.metrics for report in plain.curve)
    assert all(0 < report.metrics["val/robustness"] < 1 for report in robust.curve)
    assert [r.metrics["val/top1"] for r in plain.curve] == [r.metrics["val/top1"] for r in robust.curve]
