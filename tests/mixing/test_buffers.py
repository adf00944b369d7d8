"""Buffers: memory comes back when nobody holds it, and never before."""

from __future__ import annotations

import multiprocessing
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch

from automix.mixing import Buffers

SHAPE = (4, 3, 8, 8)
CPU = torch.device("cpu")


def take(pool: Buffers, fill: float | None = None, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    tensor = pool.take(SHAPE, dtype, CPU)
    return tensor if fill is None else tensor.fill_(fill)


def test_memory_that_nobody_holds_is_given_out_again() -> None:
    pool = Buffers()
    first = take(pool)
    place = first.data_ptr()
    del first
    assert take(pool).data_ptr() == place


HOLDERS = {
    "the tensor": lambda tensor: tensor,
    "a view": lambda tensor: tensor[1:, :, 2],
    "a detached alias": lambda tensor: tensor.detach(),
    "a numpy array": lambda tensor: tensor.numpy(),
    "a memory view of numpy": lambda tensor: memoryview(tensor.numpy()[0]),
    "DLPack": lambda tensor: np.from_dlpack(tensor),
    "a reinterpreted view": lambda tensor: tensor.view(torch.int32),
    "a list": lambda tensor: [tensor],
    "a closure": lambda tensor: lambda: tensor,
    "the graph": lambda tensor: (tensor * torch.ones((), requires_grad=True)).sum(),
    "the graph of a view": lambda tensor: (tensor.flatten(1) * torch.ones((), requires_grad=True)).sum(),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_memory_is_not_given_out_while_it_is_held(holder) -> None:
    pool = Buffers()
    tensor = take(pool, 1.0)
    place = tensor.data_ptr()
    held = holder(tensor)
    del tensor
    assert all(take(pool, 2.0).data_ptr() != place for _ in range(6))
    del held
    assert place in {pool.take(SHAPE, torch.float32, CPU).data_ptr()}


def test_shape_and_type_are_part_of_what_is_asked() -> None:
    pool = Buffers()
    place = take(pool).data_ptr()
    other = [take(pool, dtype=torch.int32), pool.take((2, 3), torch.float32, CPU)]
    assert all(one.data_ptr() != place for one in other)
    assert [one.dtype for one in other] == [torch.int32, torch.float32]
    assert other[1].shape == (2, 3)


def test_holding_many_results_does_not_grow_the_pool() -> None:
    pool = Buffers()
    held = [take(pool, float(i)) for i in range(20)]
    assert len({one.data_ptr() for one in held}) == 20
    assert [float(one.mean()) for one in held] == [float(i) for i in range(20)]
    assert len(pool._kept) <= 4


def test_memory_that_went_to_another_process_is_not_given_out_again() -> None:
    pool = Buffers()
    tensor = take(pool, 1.0)
    reader, writer = multiprocessing.get_context("fork").Pipe(duplex=False)
    # What a queue does to a tensor: its memory is moved to where the other process finds it.
    writer.send(ForkingPickler.dumps(tensor).tobytes())
    place = tensor.data_ptr()
    del tensor
    assert all(take(pool, 2.0).data_ptr() != place for _ in range(6))
    received = ForkingPickler.loads(reader.recv())
    assert torch.equal(received, torch.ones(SHAPE))


def test_a_pool_travels_empty() -> None:
    pool = Buffers()
    held = take(pool)
    assert pickle.loads(pickle.dumps(pool))._kept == []
    assert held.shape == SHAPE
