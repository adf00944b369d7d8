"""A few steps tell what a trial costs."""

from __future__ import annotations

import pytest
import torch

from automix.data import open_data
from automix.manager import build_host
from automix.policy import PolicyDocument
from automix.search.estimate import Estimate, estimate_trial
from automix.training.settings import TrainSettings


def test_the_typical_trial_is_the_average_and_costs_are_relative_to_no_mixing():
    estimate = Estimate({"none": 10.0, "cutmix": 11.0, "mixup": 12.0})
    assert estimate.trial_s == 11.0
    assert estimate.overhead == {"cutmix": pytest.approx(0.1), "mixup": pytest.approx(0.2)}
    assert estimate.total_s(5, 2) == 33.0


def test_an_estimate_covers_every_epoch_and_leaves_the_thread_count(tmp_path):
    data = open_data("digits", work=tmp_path)
    registry = build_host().registry
    before = torch.get_num_threads()
    short, long = (
        estimate_trial(
            data,
            TrainSettings(epochs=epochs, device="cpu"),
            registry,
            {"mixup": PolicyDocument.of("mixup")},
            threads=1,
        )
        for epochs in (10, 1000)
    )
    assert torch.get_num_threads() == before
    assert set(short.by_policy) == {"none", "mixup"}
    assert long.trial_s / short.trial_s > 10  # a hundred times the epochs, measured on a machine that others use too
