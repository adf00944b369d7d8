from __future__ import annotations

import errno
import json
import logging
import multiprocessing
import os
import shutil
import time

import numpy as np
import pytest

from automix.data import building, load_data, open_data, writer
from automix.data.dataset import SPLITS
from automix.errors import ArtifactError, StorageError


@pytest.fixture
def decoded(monkeypatch):
    """Count how often pixels are decoded."""
    calls = []
    original = building.decode

    def counting(*arguments):
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(building, "decode", counting)
    return calls


def test_second_open_decodes_nothing(tmp_path, folder, decoded):
    first = open_data(f"folder:{folder}", work=tmp_path / "work")
    again = open_data(f"folder:{folder}", work=tmp_path / "work")
    assert len(decoded) == 1
    assert first.summary() == again.summary()


def test_changed_file_is_decoded_anew_under_another_key(tmp_path, folder, decoded, write_image):
    first = open_data(f"folder:{folder}", work=tmp_path / "work")
    write_image(folder / "cat" / "0.png")
    second = open_data(f"folder:{folder}", work=tmp_path / "work")
    assert len(decoded) == 2
    assert first.key != second.key
    assert first.fingerprint.content_hash != second.fingerprint.content_hash


def test_touched_file_keeps_the_content_hash(tmp_path, folder):
    first = open_data(f"folder:{folder}", work=tmp_path / "work")
    os.utime(folder / "cat" / "0.png", (1, 1))
    second = open_data(f"folder:{folder}", work=tmp_path / "work")
    assert first.key != second.key
    assert first.fingerprint.content_hash == second.fingerprint.content_hash


def test_worker_loads_by_key_what_was_opened(tmp_path):
    opened = open_data("digits", work=tmp_path, limit=60, label_noise=0.2)
    loaded = load_data(opened.key, tmp_path)
    assert loaded.summary() == opened.summary()
    for split in SPLITS:
        for field in ("images", "labels", "index"):
            np.testing.assert_array_equal(getattr(loaded.splits[split], field), getattr(opened.splits[split], field))
    np.testing.assert_array_equal(loaded.splits["train"].clean_labels, opened.splits["train"].clean_labels)


def test_images_cannot_be_written(tmp_path):
    data = open_data("digits", work=tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        data.splits["train"].images[0] = 99


@pytest.mark.parametrize("key", ["digits-000000000000", ""])
def test_unknown_key_is_refused(tmp_path, key):
    with pytest.raises(ArtifactError, match="No decoded data set"):
        load_data(key, tmp_path)


def cut_images(folder):
    os.truncate(folder / "images.npy", 1000)


def empty_rows(folder):
    (folder / "rows.npz").write_bytes(b"")


def flip_byte_in_rows(folder):
    content = bytearray((folder / "rows.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (folder / "rows.npz").write_bytes(content)


def break_meta(folder):
    (folder / "meta.json").write_text("{")


def add_unknown_meta(folder):
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "format": 99}))


def remove_images(folder):
    (folder / "images.npy").unlink()


@pytest.mark.parametrize(
    "harm", [cut_images, empty_rows, flip_byte_in_rows, break_meta, add_unknown_meta, remove_images]
)
def test_damaged_folder_is_refused_by_load_and_made_again_by_open(tmp_path, harm, caplog):
    good = open_data("digits", work=tmp_path)
    harm(tmp_path / "data" / good.key)
    with pytest.raises(ArtifactError, match="is damaged"):
        load_data(good.key, tmp_path)
    with caplog.at_level(logging.WARNING, "automix.data.opening"):
        again = open_data("digits", work=tmp_path)
    assert "is damaged" in caplog.text
    assert again.fingerprint == good.fingerprint


def test_full_disk_is_told_and_leaves_nothing_visible(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer.os, "fsync", full)
    with pytest.raises(StorageError, match=r"No space left to store decoded images in .*digits"):
        open_data("digits", work=tmp_path)
    assert [path.suffix for path in (tmp_path / "data").iterdir()] in ([], [".lock"])
    monkeypatch.undo()
    assert open_data("digits", work=tmp_path).num_classes == 10


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110 - a device, not a path of ours
def test_full_disk_found_while_closing_shows_the_first_error(tmp_path):
    cache = writer.CacheWriter(tmp_path, "key", (1, 64, 64))
    with pytest.raises(StorageError, match="No space left"), cache:
        cache._file.close()
        cache._file = open("/dev/full", "wb")  # noqa: SIM115, PTH123 - closed by the writer
        for _ in range(100):
            cache.append(np.zeros((1, 64, 64), np.uint8))


def test_work_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "work").write_text("")
    with pytest.raises(StorageError, match="Could not store decoded images"):
        open_data("digits", work=tmp_path / "work")


def test_what_a_killed_writer_left_is_replaced(tmp_path):
    key = open_data("digits", work=tmp_path).key
    shutil.move(tmp_path / "data" / key, tmp_path / "data" / f".{key}.part")
    open_data("digits", work=tmp_path)
    assert not (tmp_path / "data" / f".{key}.part").exists()


def _open_slowly(work: str, ready, results) -> None:
    decodings = []
    original = building.decode

    def counting(*arguments):
        decodings.append(1)
        time.sleep(0.5)  # long enough for the other process to arrive
        return original(*arguments)

    building.decode = counting
    ready.wait()
    data = open_data("digits", work=work)
    results.put((len(decodings), data.fingerprint.content_hash))


@pytest.mark.slow
def test_two_processes_that_open_the_same_data_decode_it_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    ready = context.Barrier(2)
    workers = [context.Process(target=_open_slowly, args=(str(tmp_path), ready, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    answers = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(timeout=30)
    assert sorted(n for n, _ in answers) == [0, 1]
    assert answers[0][1] == answers[1][1]
