"""The store: made once, whole or not at all, listed; and what travels with a policy."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import automix
from automix.artifacts import FolderStore, PolicyFiles, export_files
from automix.artifacts.encoding import decode, encode, hash_of
from automix.data import DataSet, Fingerprint, Split
from automix.errors import ArtifactError, PolicyError, StorageError
from automix.manager import build_host
from automix.policy import PolicyDocument, save_document
from automix.training.loop import train
from automix.training.settings import TrainSettings

KEY = "guide-0123-abcd"


def made() -> Mapping[str, Tensor]:
    return {"b": torch.arange(3), "a": torch.ones(2, 2)}


def _make_slowly(folder: str, marks: str) -> None:
    def make() -> Mapping[str, Tensor]:
        with Path(marks).open("a", encoding="utf-8") as file:
            file.write("made\n")
        time.sleep(0.3)
        return made()

    assert set(FolderStore(Path(folder)).tensors(KEY, make)) == {"a", "b"}


def test_what_is_stored_is_made_once_and_found_again(tmp_path: Path) -> None:
    store = FolderStore.of(tmp_path)
    first = store.tensors(KEY, made)
    again = FolderStore(tmp_path / "artifacts").tensors(KEY, lambda: pytest.fail("made again"))
    assert all(torch.equal(first[name], again[name]) for name in ("a", "b"))
    (only,) = store.listed()
    assert (only.key, only.size_bytes) == (KEY, store.path(KEY).stat().st_size)


def test_processes_that_ask_at_once_share_one_making(tmp_path: Path) -> None:
    context, marks = multiprocessing.get_context("fork"), tmp_path / "marks"
    workers = [context.Process(target=_make_slowly, args=(str(tmp_path / "s"), str(marks))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert marks.read_text(encoding="utf-8") == "made\n"


def test_a_making_that_fails_leaves_nothing_and_the_next_one_makes_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    def broken() -> Mapping[str, Tensor]:
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        store.tensors(KEY, broken)
    assert store.listed() == []
    assert set(store.tensors(KEY, made)) == {"a", "b"}


def test_a_damaged_file_and_an_impossible_key_are_named(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.tensors(KEY, made)
    store.path(KEY).write_bytes(b"half of it")
    with pytest.raises(ArtifactError, match=f"{KEY}.safetensors is damaged: remove it"):
        store.tensors(KEY, made)
    for key in ("../elsewhere", "A", "", "a--b"):
        with pytest.raises(ArtifactError, match="Expected a key of lower-case letters"):
            store.tensors(key, made)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file", encoding="utf-8")
    with pytest.raises(StorageError, match="Cannot make the folder"):
        FolderStore.of(tmp_path).tensors(KEY, made)


def test_equal_tensors_are_equal_bytes_in_whatever_order_and_after_a_round_trip() -> None:
    content = encode(made())
    assert encode(dict(reversed(made().items()))) == content
    assert encode(decode(content, "here")) == content
    shared = torch.ones(4)
    assert set(decode(encode({"a": shared, "b": shared}), "here")) == {"a", "b"}


# With a policy.


def document(files: Mapping[str, str]) -> PolicyDocument:
    return PolicyDocument.of("cutmix").model_copy(update={"files": dict(files)})


def test_policy_files_are_found_by_name_and_settings_whatever_data_they_were_made_from(tmp_path: Path) -> None:
    name = f"{KEY}.safetensors"
    saved = save_document(document({}), tmp_path / "policy.yaml", {name: encode(made())})
    files = PolicyFiles(saved, tmp_path / "policy.yaml")
    found = files.tensors("guide-0123-otherdata", lambda: pytest.fail("made"))
    assert torch.equal(found["a"], torch.ones(2, 2))
    with pytest.raises(ArtifactError, match=r"policy.yaml needs guide-9999-\*.safetensors, made from training images"):
        files.tensors("guide-9999-abcd", made)
    (tmp_path / "policy.d" / name).write_bytes(encode({"a": torch.zeros(1)}))
    with pytest.raises(ArtifactError, match="is not the file that the policy was saved with"):
        files.tensors(KEY, made)


def test_export_reads_from_the_store_and_says_what_is_missing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.tensors(KEY, made)
    name = f"{KEY}.safetensors"
    assert export_files(document({name: hash_of(encode(made()))}), store) == {name: encode(made())}
    with pytest.raises(ArtifactError, match=r"The policy needs .*other-1-2\.safetensors"):
        export_files(document({"other-1-2.safetensors": ""}), store)


def stripes(n: int = 24) -> DataSet:
    labels = np.arange(n) % 3
    images = np.full((n, 3, 16, 16), 90, dtype=np.uint8)
    for i, label in enumerate(labels):
        images[i, :, :, 5 * label : 5 * label + 4] = 220
    index = np.arange(n)
    rows = {"train": index[: n - 6], "val": index[n - 6 :]}
    return DataSet(
        name="stripes",
        key="stripes",
        spec="stripes",
        classes=("left", "middle", "right"),
        channels=3,
        image_size=(16, 16),
        splits={k: Split(images=images[i], labels=labels[i], index=i) for k, i in rows.items()},
        mean=(0.4,) * 3,
        std=(0.2,) * 3,
        fingerprint=Fingerprint(content_hash="0123456789abcdef", meta={}),
    )


def top_down_policy(**guide: Any) -> PolicyDocument:
    mixer = {"name": "tdattenmix", "w_con": 0.0, "w_fine": 0.0}
    branch = {"mixer": mixer, "guide": {"name": "top_down", "epochs": 1, **guide}}
    return PolicyDocument.from_dict({"schema": "automix.policy/1", "branches": [branch]})


@pytest.mark.filterwarnings("ignore:tdattenmix found maps in which nothing stands out")
def test_a_policy_with_a_trained_guide_works_where_the_images_are_not(tmp_path: Path) -> None:
    settings = TrainSettings(model="automix_resnet8", epochs=1, batch_size=8, device="cpu")
    store, registry = FolderStore.of(tmp_path), build_host().registry
    result = train(stripes(), top_down_policy(), settings, registry=registry, artifacts=store)
    (name,) = result.document.files
    assert name.startswith("top_down-")
    other = train(stripes(), top_down_policy(sigma=0.5), settings, registry=registry, artifacts=store)
    assert other.document.files == result.document.files  # one network for every strength of feedback

    path = tmp_path / "out" / "policy.yaml"
    path.parent.mkdir()
    save_document(result.document, path, export_files(result.document, store))
    mix = automix.load_policy(path, num_classes=3)
    images, labels = torch.rand(6, 3, 16, 16), torch.arange(6) % 3
    mixed, targets = mix(images, labels)
    assert mixed.shape == images.shape
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(6))
    with pytest.raises(PolicyError, match="made for 3 classes"):
        automix.load_policy(_with_classes(path, result.document), num_classes=5)
    (path.parent / "policy.d" / name).unlink()
    with pytest.raises(ArtifactError, match=r"The policy needs policy\.d/top_down"):
        automix.load_policy(path, num_classes=3)


def _with_classes(path: Path, saved: PolicyDocument) -> Path:
    save_document(saved.model_copy(update={"classes": ("left", "middle", "right")}), path)
    return path


def test_a_policy_that_needs_a_guide_and_brings_none_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    save_document(top_down_policy(), tmp_path / "policy.yaml")
    with pytest.raises(ArtifactError, match=r"needs top_down-.*made from training images, but names no such file"):
        automix.load_policy(tmp_path / "policy.yaml", num_classes=3)
    with pytest.raises(ArtifactError, match="tdattenmix_paper needs top_down"):
        automix.load_policy("tdattenmix_paper", num_classes=3)


@pytest.mark.filterwarnings("ignore:tdattenmix found maps in which nothing stands out")
def test_another_split_of_the_same_data_makes_another_network(tmp_path: Path) -> None:
    """Nothing that has seen an image may guide where that image judges."""
    settings = TrainSettings(model="automix_resnet8", epochs=1, batch_size=8, device="cpu")
    store, registry, data = FolderStore.of(tmp_path), build_host().registry, stripes()
    fewer = {**data.splits, "train": _without_last(data.splits["train"])}
    for splits in (data.splits, fewer):
        other = DataSet(**{**vars(data), "splits": splits})
        train(other, top_down_policy(), settings, registry=registry, artifacts=store)
    assert len(store.listed()) == 2


def _without_last(split: Split) -> Split:
    return Split(images=split.images[:-1], labels=split.labels[:-1], index=split.index[:-1])
