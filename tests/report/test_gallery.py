from __future__ import annotations

from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from automix.errors import PolicyError
from automix.manager import PluginHost
from automix.policy import PolicyDocument
from automix.report import Pairs
from automix.report.gallery import LAMS, Strip, make_strips
from automix.report.lams import lam_samples

NORMAL = ((0.5,), (0.25,))


def dark_and_light(side: int = 20) -> Pairs:
    """Two pairs, each of a black image with a white one: brightness tells the partner's share."""
    images = torch.cat([torch.zeros(2, 1, side, side), torch.ones(2, 1, side, side)])
    return Pairs(images, torch.arange(4) // 2, ("dark", "light"))


def strips(host: PluginHost, name: str, pairs: Pairs) -> Strip:
    (strip,) = make_strips(pairs, {name: PolicyDocument.of(name)}, host.registry, NORMAL)
    return strip


def pixels(strip: Strip) -> np.ndarray:
    with Image.open(BytesIO(strip.picture)) as image:
        return np.asarray(image.convert("RGB"))


def test_strip_holds_a_step_for_each_lam_one_below_the_other(host: PluginHost) -> None:
    strip = strips(host, "mixup", dark_and_light())
    picture = pixels(strip)
    assert picture.shape == (len(LAMS) * strip.height, strip.width, 3)
    assert [step.asked for step in strip.steps] == list(LAMS)
    assert [step.pixels for step in strip.steps] == pytest.approx(LAMS)
    assert strip.pairs == ("dark + light", "dark + light")
    brightness = [picture[i * strip.height + 10, 10, 0] / 255 for i in range(len(LAMS))]
    assert brightness == pytest.approx([1 - lam for lam in LAMS], abs=0.02)


def test_boxes_shrink_in_place_as_lam_rises(host: PluginHost) -> None:
    strip = strips(host, "cutmix", dark_and_light())
    shares = [step.pixels for step in strip.steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    picture = pixels(strip)
    boxes = [picture[i * strip.height : (i + 1) * strip.height - 20, :80, 0] > 128 for i in range(len(LAMS))]
    assert all((small <= large).all() for large, small in pairwise(boxes))


def test_bar_below_an_image_is_as_long_as_the_label_weight(host: PluginHost) -> None:
    strip = strips(host, "mixup", dark_and_light())
    bar = pixels(strip)[5 * strip.height + 80 + 2 + 3, :80]
    blue = (bar[:, 2] > bar[:, 0]).mean()
    assert blue == pytest.approx(0.5, abs=0.02)


def test_method_that_draws_no_lam_has_one_step_and_says_so(host: PluginHost) -> None:
    strip = strips(host, "smoothmix", dark_and_light())
    assert len(strip.steps) == 1
    assert strip.became[0].startswith("draws no lam")


@pytest.mark.parametrize("side", [3, 28, 400])
def test_images_of_any_size_come_to_about_the_same(host: PluginHost, side: int) -> None:
    strip = strips(host, "mixup", dark_and_light(side))
    assert 60 <= strip.width / 2 <= 140


def test_policy_that_looks_at_the_model_is_given_one(host: PluginHost) -> None:
    pairs = dark_and_light(32)
    document = PolicyDocument.from_dict({"branches": [{"mixer": {"name": "tdattenmix"}, "guide": {"name": "cam"}}]})
    with pytest.raises(PolicyError, match="must see the model"):
        make_strips(pairs, {"looks": document}, host.registry, NORMAL)
    model = timm.create_model("resnet10t", num_classes=2, in_chans=1)
    (strip,) = make_strips(pairs, {"looks": document}, host.registry, NORMAL, model=model)
    assert len(strip.steps) == 1  # its boxes follow the maps, not a ratio


def test_asked_for_lam_is_what_the_law_drew_and_blends_give_just_that(host: PluginHost) -> None:
    images, labels = torch.rand(40, 1, 20, 20), torch.arange(40) % 4
    policies = {name: PolicyDocument.of(name) for name in ("mixup", "cutmix", "smoothmix")}
    samples = {one.name: one for one in lam_samples(images, labels, 4, policies, host.registry, NORMAL)}
    assert set(samples) == {"mixup", "cutmix"}  # smoothmix draws no ratio
    assert samples["mixup"].pixels == pytest.approx(samples["mixup"].asked, abs=1e-6)
    assert samples["mixup"].labels == pytest.approx(samples["mixup"].asked, abs=1e-6)
    cutmix = samples["cutmix"]
    assert (cutmix.pixels >= cutmix.asked - 1e-6).all()  # boxes are cut at the border, never enlarged
    assert cutmix.labels == pytest.approx(cutmix.pixels, abs=1e-6)


def test_lam_is_sampled_again_the_same(host: PluginHost) -> None:
    images, labels = torch.rand(8, 1, 8, 8), torch.arange(8) % 2
    policies = {"cutmix": PolicyDocument.of("cutmix")}
    first, second = (lam_samples(images, labels, 2, policies, host.registry, NORMAL)[0] for _ in range(2))
    assert (first.pixels == second.pixels).all()
