"""Reproduce another implementation's choices: timm decides, automix carries it out, the results are equal.

A mixer decides in `draw` and moves pixels in `apply`. A plan can also be made by hand, so that any other code's boxes,
masks and ratios can be fed in: to check a port, or to repeat an experiment to the pixel.

python examples/03_plan_by_hand.py
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from timm.data import Mixup
from timm.data.mixup import cutmix_bbox_and_lam

from automix.mixing import BoxPlan
from automix_cutmix.mixer import CutMix

SEED, CLASSES, SMOOTHING = 3, 10, 0.1
torch.manual_seed(SEED)
images, labels = torch.randn(8, 3, 32, 32), torch.randint(CLASSES, (8,))

# What timm makes of the batch. It mixes in place and draws from numpy's global generator.
timm_mixup = Mixup(mixup_alpha=0.0, cutmix_alpha=1.0, label_smoothing=SMOOTHING, num_classes=CLASSES)
np.random.seed(SEED)
timm_images, timm_targets = timm_mixup(images.clone(), labels)

# The same choices once more: which box, and who with whom.
np.random.seed(SEED)
lam, _ = timm_mixup._params_per_batch()
(top, bottom, left, right), _ = cutmix_bbox_and_lam(images.shape, lam)
perm = torch.arange(len(images)).flip(0)

# The plan: the same box for every row; lam follows from its area.
boxes = torch.tensor([[top, left, bottom, right]]).expand(len(images), 4)
plan = BoxPlan.from_boxes(perm, boxes, size=(32, 32))
mixed = CutMix().apply(images, plan)
mixed = replace(mixed, smoothing=torch.full((len(images),), SMOOTHING))

print(f"box {boxes[0].tolist()}, lam {plan.lam[0]:.4f}")
print("images equal: ", torch.equal(mixed.images, timm_images))
print("targets equal:", torch.allclose(mixed.targets(labels, CLASSES), timm_targets))
print("share of each source in the four quarters of image 0:")
print(mixed.shares(2, 2)[0])
