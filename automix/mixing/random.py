"""Counter-based random streams: every draw has an address, nobody shares a state.

A stream is named by (seed, key), for example ``streams.generator(epoch, step, "mix")``. The same address gives the same
numbers in any process, on any device and in any order, so a resumed run repeats what an uninterrupted one would have
drawn. Generators live on the CPU: what they draw is moved to the device, so that a CPU and a GPU agree.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Streams", "beta", "seed_of"]


def seed_of(*key: int | str) -> int:
    """Hash a key to 63 bits, equal on every machine and in every process.

    Integers and strings are kept apart (``1`` is not ``"1"``) and parts cannot run together (``"ab"`` is not ``"a",
    "b"``).

    Example:
        >>> seed_of(0, "order") == seed_of(0, "order"), seed_of(1) == seed_of("1")
        (True, False)
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@dataclass(frozen=True)
class Streams:
    """All random numbers of one run, found by address.

    Args:
        seed: the run's seed; two runs with one seed draw the same numbers at the same address.

    Example:
        >>> a, b = (Streams(7).generator(2, 30, "mix") for _ in range(2))
        >>> bool((torch.rand(3, generator=a) == torch.rand(3, generator=b)).all())
        True
    """

    seed: int

    def generator(self, *key: int | str) -> torch.Generator:
        """Return a fresh CPU generator at ``key``; calling twice gives two generators that draw the same."""
        return torch.Generator().manual_seed(seed_of(self.seed, *key))


def beta(a: float, b: float, n: int, generator: torch.Generator) -> Tensor:
    """Draw ``n`` values of Beta(a, b) from one generator.

    Each Gamma variate is taken as ``log Gamma(a + 1) + log(U) / a`` (Marsaglia and Tsang 2000, section 6), so that a
    small ``a``, where Gamma(a) underflows to 0 and 0 / 0 would follow, gives values near 0 and 1 and never NaN.
    Beta(1, 1) is uniform and drawn as such.

    Returns:
        (n,) float32 in [0, 1].
    """
    if a == b == 1.0:
        return torch.rand(n, generator=generator)
    shape = torch.tensor([[a], [b]], dtype=torch.float64).expand(2, n)
    log_gamma = torch._standard_gamma(shape + 1.0, generator=generator).log_()
    # -log(U) is exponential.
    log_gamma -= torch.empty_like(log_gamma).exponential_(generator=generator).div_(shape)
    return torch.sigmoid(log_gamma[0] - log_gamma[1]).float()
