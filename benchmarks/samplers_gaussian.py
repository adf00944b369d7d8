"""A Gaussian process over policies: what the trials so far lead one to expect of a policy, and how sure that is.

Rasmussen and Williams 2006, algorithm 2.1. The kernel adds a linear part, in which each trait has an effect of its own,
and a smooth part for what is left. Mixture, length scale and noise are those of a small grid under which what was
observed is likeliest (their equation 5.8): with a few dozen trials a finer choice would fit noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["GaussianProcess"]

Array = NDArray[np.float64]

# Shares of the variance that is observed, and lengths in units of the typical distance between two policies.
_LINEAR = (0.2, 0.5, 0.8)
_LENGTHS = (0.5, 1.0)
_NOISE = (0.1, 0.25, 0.5, 0.8)
_LEAST = 1e-12
"""Variance below which rounding errors lie."""


@dataclass(frozen=True)
class _Kernel:
    linear: float
    length: float
    scale: float
    typical: float

    def __call__(self, a: Array, b: Array) -> Array:
        """Return (N, M): covariances, 1 for a typical policy with itself."""
        squared = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
        smooth = np.exp(-squared / (2 * self.length**2 * self.typical))
        return np.asarray(self.linear * (a @ b.T) / self.scale + (1 - self.linear) * smooth)


class GaussianProcess:
    """Fitted to what was observed.

    Args:
        x: (N, D) traits.
        y: (N,) values.
    """

    def __init__(self, x: Array, y: Array) -> None:
        self._centre, self._middle = x.mean(axis=0), y.mean()
        self._spread = y.std() or 1.0
        self._x = x - self._centre
        target = (y - self._middle) / self._spread
        scale = float(np.mean(np.square(self._x).sum(axis=1))) or 1.0
        kernels = [_Kernel(linear, length, scale, 2 * scale) for linear in _LINEAR for length in _LENGTHS]
        fits = [fit for kernel in kernels for fit in _fits(kernel, self._x, target)]
        self._fit = max(fits, key=lambda fit: fit.likelihood)

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Return (M,) expected values and (M,) their standard deviations, noise of a trial not included."""
        mean, deviation = self._fit.predict(x - self._centre)
        return self._middle + self._spread * mean, self._spread * deviation


@dataclass(frozen=True)
class _Fit:
    kernel: _Kernel
    x: Array
    signal: float
    axes: Array
    variances: Array
    weights: Array
    likelihood: float

    def predict(self, x: Array) -> tuple[Array, Array]:
        across = self.signal * self.kernel(x, self.x)
        own = self.kernel.linear * np.square(x).sum(axis=1) / self.kernel.scale + 1 - self.kernel.linear
        known = (np.square(across @ self.axes) / self.variances).sum(axis=1)
        return across @ self.weights, np.sqrt(np.maximum(self.signal * own - known, _LEAST))


def _fits(kernel: _Kernel, x: Array, y: Array) -> Iterator[_Fit]:
    """Yield a fit for every level of noise; they share the eigenvectors of the covariance."""
    values, axes = np.linalg.eigh(kernel(x, x))
    along = axes.T @ y
    for noise in _NOISE:
        variances = (1 - noise) * np.maximum(values, 0.0) + noise
        weights = axes @ (along / variances)
        likelihood = -0.5 * float(y @ weights + np.log(variances).sum())
        yield _Fit(kernel, x, 1 - noise, axes, variances, weights, likelihood)
