"""The test images cannot be reached from training and search; they are opened by the verdict, once per model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from automix.data import DataSet, load_data, open_data
from automix.errors import DataError
from automix.manager import build_host
from automix.policy import PolicyDocument, compile_policy
from automix.registry import Registry
from automix.search.rounds import Entrant, Round
from automix.training.batches import evaluation_loader
from automix.training.loop import train
from automix.training.settings import TrainSettings
from automix.verdict.opening import Exam, open_test, read_answers

SETTINGS = TrainSettings(epochs=1, device="cpu")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return build_host().registry


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def data(work: Path) -> DataSet:
    return open_data("digits", work=work, limit=100)


def test_sealed_split_tells_its_size_and_nothing_else(data: DataSet) -> None:
    sealed = data.without_test().splits["test"]
    assert len(sealed) == len(data.splits["test"])
    for name in ("images", "labels", "index"):
        with pytest.raises(DataError, match="kept for the verdict"):
            getattr(sealed, name)
    assert "images" not in vars(sealed)
    assert data.without_test().summary() == data.summary()


def test_training_works_without_test_images_and_judging_on_them_is_refused(data: DataSet, registry: Registry) -> None:
    document, sealed = PolicyDocument.of("none"), data.without_test()
    assert train(sealed, document, SETTINGS, registry=registry).status == "complete"
    mix = compile_policy(document, registry, num_classes=10)
    with pytest.raises(DataError, match="kept for the verdict"):
        next(iter(evaluation_loader(sealed, sealed.splits["test"], SETTINGS, mix, torch.device("cpu")).epoch(0)))


@pytest.fixture(scope="module")
def trained(data: DataSet, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Round:
    from automix.search.confirm_worker import settle_round, train_round

    document = PolicyDocument.of("mixup")
    entrant = Entrant("mixup", document.title(), document.key(), document.to_dict())
    one = Round(entrant, 7, tmp_path_factory.mktemp("round"))
    train_one = partial(train_round, data=data.without_test(), settings=SETTINGS, registry=registry)
    settle_round(one, train_one, lambda: False)
    return one


def test_model_of_a_fresh_seed_is_kept_with_its_temperature(trained: Round) -> None:
    result = trained.result()
    assert result is not None
    assert not result.error
    assert trained.model_file.exists()
    assert not trained.checkpoint.exists()
    assert result.temperature > 0


def test_test_images_are_answered_once_and_the_answers_reused(
    trained: Round, data: DataSet, work: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    exam = Exam(trained.model_file, trained.entrant.policy, 1.0, trained.answers_file)
    open_test([exam], data_key=data.key, work=work, settings=SETTINGS, registry=registry)
    first = read_answers(trained.answers_file)
    assert first.correct.shape == data.splits["test"].labels.shape
    np.testing.assert_allclose(first.loss, first.loss_tempered, rtol=1e-4, atol=1e-5)

    def refuse(*_: object) -> None:
        raise AssertionError("the test images were opened again")

    monkeypatch.setattr("automix.verdict.opening.load_data", refuse)
    open_test([exam], data_key=data.key, work=work, settings=SETTINGS, registry=registry)


def test_policy_that_cannot_be_trained_is_a_result(data: DataSet, registry: Registry, tmp_path: Path) -> None:
    from automix.search.confirm_worker import settle_round, train_round

    document = PolicyDocument.of("none")
    one = Round(Entrant("none", "none", document.key(), document.to_dict()), 7, tmp_path)
    train_one = partial(train_round, data=data.without_test(), settings=replace(SETTINGS, lr=1e30), registry=registry)
    settle_round(one, train_one, lambda: False)
    result = one.result()
    assert result is not None
    assert "loss" in result.error


def test_workers_of_a_search_get_no_test_images(data: DataSet, work: Path) -> None:
    with pytest.raises(DataError, match="kept for the verdict"):
        _ = load_data(data.key, work).without_test().splits["test"].images
