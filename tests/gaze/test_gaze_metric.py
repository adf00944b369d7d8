from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from automix.gaze.metric import gaze_weights, inconsistency
from automix.manager import build_host
from automix.mixing import Batch, BoxPlan, Streams

SIZE = 8


def maps_of(n: int) -> Tensor:
    return torch.rand(n, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(3))


def test_pair_by_hand_is_the_distance_of_the_two_lams() -> None:
    carried = torch.zeros(1, 2, 2, 2)
    carried[0, 0, 0, 0], carried[0, 1, 1, 1] = 3.0, 1.0
    seen = gaze_weights(carried)
    assert seen.tolist() == [[0.75, 0.25]]
    assert inconsistency(torch.tensor([[0.25, 0.75]]), seen).tolist() == [0.5]


def test_three_sources_by_hand_and_labels_divided_by_their_sum() -> None:
    seen = torch.tensor([[0.5, 0.5, 0.0]])
    assert inconsistency(torch.tensor([[1.0, 0.5, 0.5]]), seen).item() == pytest.approx(0.25)


def test_no_gaze_left_is_no_number() -> None:
    assert math.isnan(inconsistency(torch.tensor([[0.5, 0.5]]), gaze_weights(torch.zeros(1, 2, 4, 4))).item())


@pytest.mark.parametrize("name", ["cutmix", "mixup"])
def test_carried_gaze_agrees_with_a_loop_over_pixels(name: str) -> None:
    mixer = build_host().registry.get("mixer", name).obj()
    batch = Batch(torch.rand(6, 3, SIZE, SIZE), torch.arange(6), 6)
    plan, maps = mixer.draw(batch, Streams(1).generator("test")), maps_of(6)
    found = gaze_weights(mixer.carry(maps, plan))
    for row, (own, partner) in enumerate(plan.sources.tolist()):
        masses = [0.0, 0.0]
        for y in range(SIZE):
            for x in range(SIZE):
                share = float(plan.lam[row])
                if isinstance(plan, BoxPlan):
                    y0, x0, y1, x1 = plan.boxes[row].tolist()
                    share = 0.0 if y0 <= y < y1 and x0 <= x < x1 else 1.0
                masses[0] += share * float(maps[own, 0, y, x])
                masses[1] += (1 - share) * float(maps[partner, 0, y, x])
        assert found[row, 0].item() == pytest.approx(masses[0] / sum(masses), abs=1e-5)


def test_a_shrunken_partner_keeps_all_of_its_gaze() -> None:
    mixer = build_host().registry.get("mixer", "resizemix").obj()
    batch = Batch(torch.rand(6, 3, SIZE, SIZE), torch.arange(6), 6)
    plan, maps = mixer.draw(batch, Streams(1).generator("test")), maps_of(6)
    found = gaze_weights(mixer.carry(maps, plan))
    for row, (own, partner) in enumerate(plan.sources.tolist()):
        if own == partner:
            continue
        y0, x0, y1, x1 = plan.boxes[row].tolist()
        kept = maps[own, 0].clone()
        kept[y0:y1, x0:x1] = 0
        pasted = float(maps[partner].sum()) if y1 > y0 and x1 > x0 else 0.0
        assert found[row, 1].item() == pytest.approx(pasted / (float(kept.sum()) + pasted), abs=1e-5)
