"""Output memory that is used again, and never while somebody still holds it.

Fresh big blocks cost more than the mixing itself on a CPU: the kernel has to hand out zeroed pages (a fresh 77 MB batch
makes the same blend seven times slower). A pool keeps what it gave out and gives it out again once nobody else refers
to the memory, be it a Python name, a view, or a graph that saved it for the backward pass. CUDA has such a pool of its
own.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Buffers"]

_MAX_KEPT = 4


class Buffers:
    """A pool of output tensors for one caller (not shared between threads).

    Example:
        >>> import torch
        >>> pool = Buffers()
        >>> first = pool.take((2, 3), torch.float32, torch.device("cpu"))
        >>> held = first[0]
        >>> del first
        >>> second = pool.take((2, 3), torch.float32, torch.device("cpu"))
        >>> second.data_ptr() == held.data_ptr()
        False
    """

    def __init__(self) -> None:
        self._kept: list[Tensor] = []

    def take(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return memory of the given kind with arbitrary content.

        The caller may keep it as long as they like: it comes back into the pool by itself when the last reference goes.
        """
        if device.type != "cpu":
            return torch.empty(shape, dtype=dtype, device=device)
        for kept in self._kept:
            if kept.shape == shape and kept.dtype == dtype and _is_idle(kept):
                return kept.view(shape)
        fresh = torch.empty(shape, dtype=dtype, device=device)
        self._kept = [*self._kept[-_MAX_KEPT + 1 :], fresh]
        return fresh.view(shape)

    def __reduce__(self) -> tuple[type[Buffers], tuple[()]]:
        """Travel to another process empty."""
        return Buffers, ()


def _is_idle(tensor: Tensor) -> bool:
    """Whether the pool's own tensor is the only one left on its memory, here and in other processes."""
    storage = tensor.untyped_storage()
    # PyTorch offers no public count of a storage's users; torch.cuda's graph trees rely on this same private one. Our
    # own `storage` makes one more user than the pool's tensor.
    users = int(torch._C._storage_Use_Count(storage._cdata))
    # A tensor that went through a queue (a data loader's worker) lies in shared memory: the other side may read it.
    return users <= 2 and not storage.is_shared()
