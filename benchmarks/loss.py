"""What the loss of mixed labels costs beside dense soft targets.

Run `python benchmarks/loss.py [--quick] [--threads N]`. One call builds the targets where a form needs them, computes
the loss and its gradient. Goals, by CPU time: at least 3 times cheaper than timm's dense targets at 21843 classes, and
never dearer than either dense form at 10 to 1000 classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from _timing import describe_machine, print_table, take_turns
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from torch import Tensor

from automix.mixing import MixedBatch, PairPlan, mixed_cross_entropy, soft_cross_entropy

ROWS = 256
CLASSES = (10, 100, 1000, 21843)


def ways_for(num_classes: int, smoothing: float) -> dict[str, Callable[[], object]]:
    """List what takes turns; timm draws one ratio per batch, the others have one per image."""
    logits = torch.randn(ROWS, num_classes, requires_grad=True)
    labels = torch.randint(num_classes, (ROWS,))
    plan = PairPlan(perm=torch.randperm(ROWS), lam=torch.rand(ROWS))
    spread = torch.full((ROWS,), smoothing) if smoothing else None
    mixed = MixedBatch(torch.zeros(ROWS, 1, 1, 1), plan.sources, plan.weights, plan, smoothing=spread)
    timms = SoftTargetCrossEntropy()

    def with_gradient(loss: Callable[[], Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(loss(), logits)

    return {
        "timm, dense targets": with_gradient(lambda: timms(logits, mixup_target(labels, num_classes, 0.3, smoothing))),
        "automix, dense targets": with_gradient(lambda: soft_cross_entropy(logits, mixed.targets(labels, num_classes))),
        "automix, mixed_cross_entropy": with_gradient(lambda: mixed_cross_entropy(logits, labels, mixed)),
    }


def main() -> None:
    """Measure each number of classes, without and with label smoothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a first look")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(describe_machine())
    rounds, round_s = (7, 0.02) if options.quick else (31, 0.05)
    for num_classes in CLASSES:
        for smoothing in (0.0, 0.1):
            times = take_turns(ways_for(num_classes, smoothing), rounds=rounds, round_s=round_s)
            title = f"{ROWS} rows x {num_classes} classes, label smoothing {smoothing}, forward and backward"
            print_table(title, times, {"timm dense": "timm, dense targets", "dense": "automix, dense targets"})


if __name__ == "__main__":
    main()
