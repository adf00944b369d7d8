from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from automix.errors import PolicyError, SettingError
from automix.mixing import Batch, FixedLaw, RandomPairing
from automix.policy import PolicyDocument, PolicyMixer, compile_policy
from automix.registry import Registry
from automix_between_class.functional import coefficients, energies, energy_share
from automix_between_class.inputs import ZeroMean
from automix_between_class.mixer import BetweenClass, BetweenClassPlan

NORMALIZATION = ((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))


def official_bc_plus(x1: np.ndarray, x2: np.ndarray, r: float) -> np.ndarray:
    """The mixing line of dataset.py in the official code."""
    g1, g2 = np.std(x1), np.std(x2)
    p = 1.0 / (1 + g1 / g2 * (1 - r) / r)
    return (x1 * p + x2 * (1 - p)) / np.sqrt(p**2 + (1 - p) ** 2)


def pair(loud: float = 3.0) -> Batch:
    gen = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 6, 5, generator=gen) * torch.tensor([loud, 1.0])[:, None, None, None]
    return Batch(images, torch.tensor([0, 1]), 2)


@pytest.mark.parametrize("r", [0.1, 0.5, 0.83])
def test_bc_plus_is_the_official_line(r: float) -> None:
    batch = pair()
    mixer = BetweenClass(ratio=FixedLaw(value=r))
    mixed = mixer.apply(batch.images, mixer.draw(batch, torch.Generator().manual_seed(0)))
    x1, x2 = batch.images.double().numpy()
    np.testing.assert_allclose(mixed.images[0].numpy(), official_bc_plus(x1, x2, r), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed.images[1].numpy(), official_bc_plus(x2, x1, r), rtol=1e-5, atol=1e-6)


def test_bc_is_a_blend_by_r() -> None:
    batch = pair()
    mixer = BetweenClass(variant="bc", ratio=FixedLaw(value=0.3))
    mixed = mixer.apply(batch.images, mixer.draw(batch, torch.Generator().manual_seed(0)))
    torch.testing.assert_close(mixed.images, 0.3 * batch.images + 0.7 * batch.images.flip(0))
    assert torch.allclose(mixed.shares(4, 4)[:, 0], torch.tensor(0.3))


def test_factors_given_by_hand_are_used_and_the_label_stays_r() -> None:
    batch = pair()
    plan = BetweenClassPlan(
        perm=torch.tensor([1, 0]),
        lam=torch.tensor([0.9, 0.2]),
        own=torch.tensor([1.5, 0.0]),
        partner=torch.tensor([0.5, 2.0]),
    )
    mixed = BetweenClass().apply(batch.images, plan)
    x = batch.images
    torch.testing.assert_close(mixed.images, torch.stack((1.5 * x[0] + 0.5 * x[1], 2.0 * x[0])))
    torch.testing.assert_close(mixed.targets(batch.labels, 2), torch.tensor([[0.9, 0.1], [0.8, 0.2]]))
    torch.testing.assert_close(mixed.shares(1, 1).flatten(1), torch.tensor([[0.75, 0.25], [0.0, 1.0]]))


def test_pitfall_the_divisor_has_its_square_root() -> None:
    """Uncorrelated images of equal energy keep that energy; without the root they would double it at p = 1/2."""
    gen = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 64, 64, generator=gen)
    mixer = BetweenClass(ratio=FixedLaw(value=0.5))
    batch = Batch(images, torch.tensor([0, 1]), 2)
    mixed = mixer.apply(images, mixer.draw(batch, gen)).images
    torch.testing.assert_close(mixed.std(dim=(1, 2, 3)), torch.ones(2), atol=0.02, rtol=0)
    own, partner = coefficients(torch.tensor([0.5]), rescale=True)
    assert float(own) == float(partner) == pytest.approx(1 / math.sqrt(2))


def test_pitfall_the_ratio_is_drawn_anew_for_each_batch_and_each_image(make_batch: Any) -> None:
    """Ports draw it once in a default argument, or once per batch."""
    mixer, batch, gen = BetweenClass(), make_batch(64, 1, (4, 4)), torch.Generator().manual_seed(0)
    first, second = mixer.draw(batch, gen), mixer.draw(batch, gen)
    assert not torch.equal(first.lam, second.lam)
    assert len(first.lam.unique()) > 60


def test_ratios_are_uniform(make_batch: Any) -> None:
    lam = BetweenClass().draw(make_batch(5000, 1, (2, 2)), torch.Generator().manual_seed(0)).lam
    assert abs(float(lam.mean()) - 0.5) < 0.02
    assert abs(float(lam.var()) - 1 / 12) < 0.005


def test_pitfall_the_label_is_r_not_p() -> None:
    batch = pair(loud=5.0)
    plan = BetweenClass(ratio=FixedLaw(value=0.5)).draw(batch, torch.Generator().manual_seed(0))
    assert isinstance(plan, BetweenClassPlan)
    assert plan.lam.tolist() == [0.5, 0.5]
    p = plan.own / (plan.own + plan.partner)
    assert float(p[0]) < 0.25  # the loud image is turned down
    torch.testing.assert_close(p.sum(), torch.tensor(1.0))


def test_pitfall_energies_are_those_of_the_images_as_given_zeros_of_padding_included() -> None:
    """Taken before the crop, the energy of this image would be that of its middle alone."""
    middle = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)) + 4.0
    padded = torch.nn.functional.pad(middle, (2, 2, 2, 2))
    values = padded.flatten().double().numpy()
    assert float(energies(padded)) == pytest.approx(float(np.std(values)), rel=1e-5)
    assert abs(float(energies(padded)) - float(energies(middle))) > 0.05


def test_energies_are_population_deviations_over_all_channels_together() -> None:
    images = torch.tensor([[[[1.0, 3.0]], [[5.0, 7.0]]]])  # mean 4, squares 9 1 1 9
    assert float(energies(images)) == pytest.approx(math.sqrt(5.0))


@pytest.mark.parametrize(("r", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_r_at_its_ends_divides_by_nothing(r: float, expected: float) -> None:
    for s1, s2 in ((1.0, 1.0), (3.0, 1e-6), (1e-6, 3.0)):
        p = energy_share(torch.tensor([r]), torch.tensor([s1]), torch.tensor([s2]))
        assert float(p) == expected


def test_images_without_contrast_are_mixed_without_nan() -> None:
    batch = Batch(torch.stack((torch.full((3, 4, 4), 2.0), torch.full((3, 4, 4), -1.0))), torch.tensor([0, 1]), 2)
    mixer = BetweenClass(ratio=FixedLaw(value=0.25))
    mixed = mixer.apply(batch.images, mixer.draw(batch, torch.Generator().manual_seed(0)))
    assert torch.isfinite(mixed.images).all()
    assert torch.allclose(mixed.shares(1, 1)[0, 0], torch.tensor(0.25))


def test_partners_are_of_another_class(make_batch: Any) -> None:
    batch = make_batch(90, 1, (4, 4), num_classes=3)
    for seed in range(10):
        plan = BetweenClass().draw(batch, torch.Generator().manual_seed(seed))
        assert isinstance(plan, BetweenClassPlan)
        assert (batch.labels[plan.perm] != batch.labels).all()


def test_a_batch_of_one_class_is_left_alone_and_not_amplified() -> None:
    images = torch.randn(5, 3, 4, 4)
    batch = Batch(images, torch.full((5,), 2), 3)
    mixer = BetweenClass()
    mixed = mixer.apply(images, mixer.draw(batch, torch.Generator().manual_seed(0)))
    assert torch.equal(mixed.images, images)
    assert torch.equal(mixed.targets(batch.labels, 3)[:, 2], torch.ones(5))


def test_an_image_that_meets_itself_in_a_random_permutation_is_not_amplified(make_batch: Any) -> None:
    batch, mixer = make_batch(6), BetweenClass(pairing=RandomPairing())
    for seed in range(10):
        plan = mixer.draw(batch, torch.Generator().manual_seed(seed))
        own = plan.sources[:, 1] == torch.arange(6)
        assert torch.equal(mixer.apply(batch.images, plan).images[own], batch.images[own])


def test_parts_of_bc_plus_can_be_switched_off_one_by_one() -> None:
    batch, r = pair(), 0.3
    x1, x2 = batch.images

    def mixed(**parts: bool) -> torch.Tensor:
        mixer = BetweenClass(ratio=FixedLaw(value=r), **parts)
        return mixer.apply(batch.images, mixer.draw(batch, torch.Generator().manual_seed(0))).images[0]

    s1, s2 = x1.std(correction=0), x2.std(correction=0)
    p = r * s2 / (r * s2 + (1 - r) * s1)
    torch.testing.assert_close(mixed(rescale=False), p * x1 + (1 - p) * x2)
    root = math.sqrt(r**2 + (1 - r) ** 2)
    torch.testing.assert_close(mixed(energy_ratio=False), (r * x1 + (1 - r) * x2) / root)
    torch.testing.assert_close(mixed(energy_ratio=False, rescale=False), r * x1 + (1 - r) * x2)


def test_parts_of_bc_plus_mean_nothing_for_bc() -> None:
    with pytest.raises(SettingError, match="`rescale` = False has no effect"):
        BetweenClass(variant="bc", rescale=False)


# --- The input treatment ---


def pixels(n: int = 40, size: int = 6) -> torch.Tensor:
    """Images on the scale 0 to 255, of different brightness."""
    gen = torch.Generator().manual_seed(0)
    bright = torch.rand(n, 1, 1, 1, generator=gen) * 120
    return torch.rand(n, 3, size, size, generator=gen) * 130 + bright


def normalised(x: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(v)[:, None, None] for v in NORMALIZATION)
    return (x / 255 - mean) / std


def test_zero_mean_is_the_official_treatment_on_the_pixel_scale() -> None:
    """One scalar mean per image over all channels, then channel statistics of what is left, fitted after that."""
    x = pixels().double().numpy()
    rest = x - x.mean(axis=(1, 2, 3), keepdims=True)
    mean, std = rest.mean(axis=(0, 2, 3)), rest.std(axis=(0, 2, 3))
    expected = (rest - mean[:, None, None]) / std[:, None, None]
    treatment = ZeroMean(normalization=NORMALIZATION)
    treatment.fit(normalised(pixels()).split(7))
    np.testing.assert_allclose(treatment.statistics["mean"], mean / 255, atol=1e-6)
    np.testing.assert_allclose(treatment.statistics["std"], std / 255, rtol=1e-5)
    np.testing.assert_allclose(treatment.treat(normalised(pixels())).numpy(), expected, atol=2e-4)


def test_the_mean_is_removed_on_the_pixel_scale_not_the_normalised_one() -> None:
    """Channels are normalised by different numbers: removing the mean of normalised values is another thing."""
    treatment = ZeroMean(normalization=NORMALIZATION)
    treatment.fit([normalised(pixels())])
    brighter = normalised(pixels() + 20)
    torch.testing.assert_close(treatment.treat(brighter), treatment.treat(normalised(pixels())), atol=2e-4, rtol=0)
    naive = brighter - brighter.mean(dim=(1, 2, 3), keepdim=True)
    naive_before = normalised(pixels()) - normalised(pixels()).mean(dim=(1, 2, 3), keepdim=True)
    assert float((naive - naive_before).abs().max()) > 1e-3


def bc_policy(registry: Registry, **extra: Any) -> PolicyMixer:
    document = PolicyDocument.from_dict({"branches": [{"mixer": {"name": "between_class"}}], **extra})
    return compile_policy(document, registry, num_classes=3, normalization=NORMALIZATION)


def test_pitfall_evaluation_images_lose_their_mean_too(registry: Registry) -> None:
    """Ports remove it in training only. `prepare` is what evaluation and deployment call."""
    mix = bc_policy(registry)
    mix.fit([normalised(pixels())])
    x = normalised(pixels(5))
    at_test = mix.prepare(x)
    stats = mix.treatment.statistics
    back = at_test * torch.tensor(stats["std"])[:, None, None] + torch.tensor(stats["mean"])[:, None, None]
    torch.testing.assert_close(back.mean(dim=(1, 2, 3)), torch.zeros(5), atol=1e-5, rtol=0)
    step = mix.batch(x, torch.zeros(5, dtype=torch.int64), epoch=0, step=0)  # one class: nobody is mixed
    torch.testing.assert_close(step.mixed.images, at_test)


def test_a_policy_with_bc_plus_gets_zero_mean_and_one_with_bc_does_not(registry: Registry) -> None:
    assert bc_policy(registry).treatment.name == "zero_mean"
    plain = bc_policy(registry, branches=[{"mixer": {"name": "between_class", "variant": "bc"}}])
    assert plain.treatment.name == "standard"
    assert bc_policy(registry, input={"name": "standard"}).treatment.name == "standard"


def test_fitted_statistics_travel_with_the_document(registry: Registry) -> None:
    mix = bc_policy(registry)
    mix.fit([normalised(pixels())])
    again = bc_policy(registry, input=mix.document.to_dict()["input"])
    x = normalised(pixels(4))
    torch.testing.assert_close(again.prepare(x), mix.prepare(x))
    assert torch.equal(pickle.loads(pickle.dumps(mix)).prepare(x), mix.prepare(x))


def test_grey_images_and_half_precision() -> None:
    x = pixels()[:, :1] / 255
    treatment = ZeroMean(normalization=((0.0,), (1.0,)))
    treatment.fit([x])
    treated = treatment.treat(x.to(torch.bfloat16))
    assert treated.dtype == torch.bfloat16
    torch.testing.assert_close(treated.float(), treatment.treat(x), atol=0.05, rtol=0.05)


def test_a_constant_channel_is_not_divided_by_zero() -> None:
    x = torch.full((3, 1, 4, 4), 0.5)
    treatment = ZeroMean(normalization=((0.0,), (1.0,)))
    treatment.fit([x])
    assert torch.isfinite(treatment.treat(x)).all()


def test_missing_knowledge_is_asked_for() -> None:
    with pytest.raises(PolicyError, match=r"pass normalization="):
        ZeroMean()
    treatment = ZeroMean(normalization=NORMALIZATION)
    with pytest.raises(PolicyError, match=r"call mix\.fit"):
        treatment.treat(torch.zeros(1, 3, 4, 4))
    with pytest.raises(PolicyError, match="none"):
        treatment.fit([])
    with pytest.raises(PolicyError, match="of 1 channels but got 3 numbers"):
        treatment.fit([torch.zeros(2, 1, 4, 4)])


def test_statistics_of_another_number_of_channels_are_refused() -> None:
    treatment = ZeroMean(normalization=NORMALIZATION, statistics={"mean": (0.0,), "std": (1.0,)})
    with pytest.raises(PolicyError, match="statistics mean of 3 channels but got 1 numbers"):
        treatment.treat(torch.zeros(1, 3, 4, 4))
