"""What is looked at while images are mixed: tints, windows, and labels after the model has seen the images."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

import automix.training.nets  # noqa: F401  (registers automix_vit_mini)
from automix.manager import PluginHost, build_host
from automix.policy import PolicyDocument
from automix.report.looks import outlined, tinted
from automix.report.pairs import Pairs, mixed_rows

PLAIN = ((0.5,) * 3, (0.25,) * 3)


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return build_host()


@pytest.fixture
def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm.create_model("automix_vit_mini", num_classes=2, img_size=(16, 16)).train()


def pairs_of() -> Pairs:
    return Pairs(torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(6) // 3, ("a", "b"))


def policy(mixer: str, **slots: str) -> PolicyDocument:
    branch = {"mixer": {"name": mixer}, **{slot: {"name": name} for slot, name in slots.items()}}
    return PolicyDocument.from_dict({"schema": "automix.policy/1", "branches": [branch]})


def test_tint_is_strongest_where_the_map_is_and_none_where_it_is_zero() -> None:
    images = torch.full((1, 1, 4, 4), 0.5)
    maps = torch.tensor([[[0.0, 1.0], [0.5, 0.0]]])
    picture = tinted(images, maps)
    assert picture.shape == (1, 3, 4, 4)
    assert torch.equal(picture[0, :, :2, :2], images[0].expand(3, 4, 4)[:, :2, :2])
    reddening = picture[0, 0] - picture[0, 2]
    assert float(reddening[0, 3]) == pytest.approx(2 * float(reddening[3, 0]))


def test_an_outline_frames_its_box_and_an_empty_one_draws_nothing() -> None:
    images = torch.zeros(2, 3, 8, 8)
    picture = outlined(images, torch.tensor([[1, 2, 5, 7], [0, 0, 0, 0]]))
    assert float(picture[1].sum()) == 0.0
    framed = picture[0].sum(dim=0) > 0
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[1:5, 2:7] = True
    expected[2:4, 3:6] = False
    assert torch.equal(framed, expected)
    assert float(images.sum()) == 0.0


def test_guides_are_laid_over_own_images_and_partners(host: PluginHost) -> None:
    rows = mixed_rows(pairs_of(), {"saliencymix": policy("saliencymix")}, host.registry, PLAIN)
    assert [row.name for row in rows] == ["saliencymix", "saliency:\nown", "saliency:\npartner"]
    assert [len(row.labels) for row in rows] == [3, 0, 0]


@pytest.mark.parametrize("rule", ["transmix", "tl_align"])
def test_a_rule_that_follows_the_model_shows_what_it_saw_and_its_label(
    host: PluginHost, model: nn.Module, rule: str
) -> None:
    policies = {"p": policy("cutmix", labels=rule)}
    area, seen = mixed_rows(pairs_of(), policies, host.registry, PLAIN, model=model)
    assert seen.name == f"{rule}:\nseen"
    assert seen.images.shape == (3, 3, 16, 16)
    weights = [sum(part.weight for part in parts) for parts in seen.labels]
    assert weights == pytest.approx([1.0] * 3)
    assert seen.labels != area.labels
    assert model.training
    assert len(mixed_rows(pairs_of(), policies, host.registry, PLAIN)) == 1  # nothing to look into


def test_blends_and_methods_without_guide_show_nothing_more(host: PluginHost, model: nn.Module) -> None:
    policies = {"mixup": policy("mixup", labels="tl_align"), "cutmix": policy("cutmix")}
    rows = mixed_rows(pairs_of(), policies, host.registry, PLAIN, model=model)
    assert [row.name for row in rows] == ["mixup", "cutmix"]
