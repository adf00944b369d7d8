"""Checkpoints: complete or absent, safe to load, written by the newest attempt alone."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from automix.errors import ArtifactError, StorageError
from automix.training.checkpoint import CheckpointStore
from automix.training.failures import StaleAttempt


def test_saved_state_is_loaded(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "a" / "slot")
    assert store.load() is None
    store.save({"weights": torch.arange(3), "curve": [{"epoch": 1}]}, epoch=1)
    state = CheckpointStore(store.folder).load()
    assert state is not None
    assert torch.equal(state["weights"], torch.arange(3))
    assert (state["epoch"], state["curve"]) == (1, [{"epoch": 1}])


def test_failed_save_leaves_the_old_state_and_no_rubbish(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.save({"x": 1}, epoch=1)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        store.save({"x": lambda: None}, epoch=2)
    assert store.load() == {"epoch": 1, "x": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["attempt", "lock", "state.pt"]


def test_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CheckpointStore(tmp_path)
    store.save({"x": 1}, epoch=1)

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"state.pt: No space left on device. Free some space"):
        store.save({"x": 2}, epoch=2)
    monkeypatch.undo()
    assert store.load() == {"epoch": 1, "x": 1}


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"Cannot make the checkpoint folder .*file"):
        CheckpointStore(tmp_path / "file")


def test_older_attempt_is_turned_away_once_a_newer_one_has_begun(tmp_path: Path) -> None:
    old, new = CheckpointStore(tmp_path, attempt=1), CheckpointStore(tmp_path, attempt=2)
    old.save({"by": "old"}, epoch=1)
    state = new.load()
    assert state is not None
    assert state["by"] == "old"
    with pytest.raises(StaleAttempt, match=r"Attempt 1 .* gives way to attempt 2"):
        old.save({"by": "old"}, epoch=2)
    with pytest.raises(StaleAttempt):
        old.load()
    new.save({"by": "new"}, epoch=2)
    assert new.load() == {"epoch": 2, "by": "new"}


def cut_off(content: bytes) -> bytes:
    return content[:500]


def one_bit_changed(content: bytes) -> bytes:
    middle = len(content) // 2  # inside the tensor, where torch.load looks at nothing
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_off, one_bit_changed])
def test_damaged_checkpoint_is_noticed(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    store = CheckpointStore(tmp_path)
    store.save({"x": torch.zeros(1000)}, epoch=1)
    path = tmp_path / "state.pt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtifactError, match=r"state.pt is damaged"):
        store.load()


def test_checkpoint_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "harmed"),))

    torch.save(Harm(), tmp_path / "state.pt")
    with pytest.raises(ArtifactError):
        CheckpointStore(tmp_path).load()
    assert not (tmp_path / "harmed").exists()
