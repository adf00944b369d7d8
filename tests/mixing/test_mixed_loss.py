"""The gather loss is the dense loss: value and gradient, whatever the sources."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from automix.errors import DataError
from automix.mixing import MixedBatch, mixed_cross_entropy, soft_cross_entropy
from automix.mixing import loss as loss_module


def case(n_classes: int, n_sources: int, *, smoothed: bool = False, rows: int = 6, dtype=torch.float64):
    """Logits, labels with repeated classes, and a mixed batch with padded sources."""
    generator = torch.Generator().manual_seed(n_classes + n_sources)
    logits = (3.0 * torch.randn(rows, n_classes, generator=generator)).to(dtype).requires_grad_()
    labels = torch.randint(n_classes, (4,), generator=generator)
    sources = torch.randint(4, (rows, n_sources), generator=generator)
    weights = torch.rand(rows, n_sources, generator=generator).softmax(dim=1)
    if n_sources > 1:
        sources[0], weights[0] = sources[0, 0], torch.eye(n_sources)[0]
    smoothing = torch.rand(rows, generator=generator) * 0.3 if smoothed else None
    return logits, labels, MixedBatch(torch.zeros(rows, 1, 1, 1), sources, weights, smoothing=smoothing)


def reference(logits: torch.Tensor, labels: torch.Tensor, mixed: MixedBatch) -> torch.Tensor:
    """Row by row, from the definition, in float64."""
    total = logits.new_zeros((), dtype=torch.float64)
    for i, row in enumerate(logits.double()):
        nll = -(row - row.logsumexp(0))
        picked = sum(float(w) * nll[labels[s]] for s, w in zip(mixed.sources[i], mixed.weights[i], strict=True))
        e = 0.0 if mixed.smoothing is None else float(mixed.smoothing[i])
        total = total + (1 - e) * picked + e * nll.mean()
    return total / len(logits)


CASES = [(k, s, smoothed) for k in (2, 10, 300) for s in (1, 2, 6) for smoothed in (False, True)]


@pytest.mark.parametrize("few", [0, 10**9], ids=["gather", "dense"])
@pytest.mark.parametrize(("n_classes", "n_sources", "smoothed"), CASES)
def test_value_and_gradient_are_those_of_the_definition(monkeypatch, few, n_classes, n_sources, smoothed) -> None:
    monkeypatch.setattr(loss_module, "_FEW_CLASSES", few)
    monkeypatch.setattr(loss_module, "_FEW_CLASSES_SMOOTHED", few)
    logits, labels, mixed = case(n_classes, n_sources, smoothed=smoothed)
    expected = reference(logits, labels, mixed)
    (gradient,) = torch.autograd.grad(expected, logits)
    got = mixed_cross_entropy(logits, labels, mixed)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.autograd.grad(3.0 * got, logits)[0], 3.0 * gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("n_classes", [10, 5000])
def test_it_equals_soft_targets_in_float32(n_classes) -> None:
    logits, labels, mixed = case(n_classes, 2, smoothed=True, dtype=torch.float32)
    expected = soft_cross_entropy(logits, mixed.targets(labels, n_classes))
    got = mixed_cross_entropy(logits, labels, mixed)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(*(torch.autograd.grad(one, logits)[0] for one in (got, expected)))


@pytest.mark.parametrize("n_classes", [10, 5000])
def test_an_unmixed_batch_gives_plain_cross_entropy_with_label_smoothing(n_classes) -> None:
    logits = torch.randn(5, n_classes)
    labels = torch.randint(n_classes, (5,))
    mixed = MixedBatch.unmixed(torch.zeros(5, 1, 1, 1))
    smoothed = MixedBatch(mixed.images, mixed.sources, mixed.weights, smoothing=torch.full((5,), 0.1))
    torch.testing.assert_close(mixed_cross_entropy(logits, labels, mixed), F.cross_entropy(logits, labels))
    expected = F.cross_entropy(logits, labels, label_smoothing=0.1)
    torch.testing.assert_close(mixed_cross_entropy(logits, labels, smoothed), expected)


@pytest.mark.parametrize("n_classes", [10, 5000])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_summed_in_float32(n_classes, dtype) -> None:
    logits, labels, mixed = case(n_classes, 2, dtype=torch.float32)
    half = logits.detach().to(dtype).requires_grad_()
    got = mixed_cross_entropy(half, labels, mixed)
    exact = reference(half, labels, mixed)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), exact, atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(got, half)
    assert gradient.dtype == dtype
    torch.testing.assert_close(gradient, torch.autograd.grad(exact, half)[0], atol=2e-3, rtol=2e-2)


@pytest.mark.parametrize("n_classes", [10, 5000])
def test_it_trains_under_autocast(n_classes) -> None:
    head = torch.nn.Linear(8, n_classes)
    _, labels, mixed = case(n_classes, 2)
    with torch.autocast("cpu", torch.bfloat16):
        loss = mixed_cross_entropy(head(torch.randn(6, 8)), labels, mixed)
    loss.backward()
    assert loss.dtype == torch.float32
    assert bool(head.weight.grad.isfinite().all())


def test_large_logits_do_not_overflow() -> None:
    _, labels, mixed = case(5000, 2)
    logits = torch.randn(6, 5000) * 1e4
    assert bool(mixed_cross_entropy(logits, labels, mixed).isfinite())


def test_dense_labels_and_dense_mass_take_the_dense_way() -> None:
    logits, labels, mixed = case(300, 2, smoothed=True, dtype=torch.float32)
    rows = F.one_hot(labels, 300).float()
    torch.testing.assert_close(mixed_cross_entropy(logits, rows, mixed), mixed_cross_entropy(logits, labels, mixed))
    extra = torch.rand(6, 300)
    with_mass = MixedBatch(mixed.images, mixed.sources, mixed.weights, smoothing=mixed.smoothing, dense=extra)
    expected = soft_cross_entropy(logits, mixed.targets(labels, 300) + extra)
    torch.testing.assert_close(mixed_cross_entropy(logits, labels, with_mass), expected)


def test_logits_of_the_wrong_number_of_rows_are_refused() -> None:
    _, labels, mixed = case(10, 2)
    with pytest.raises(DataError, match=r"logits for 6 mixed images but got shape \(5, 10\)"):
        mixed_cross_entropy(torch.zeros(5, 10), labels, mixed)
