"""What mixing adds to a training step, beside no mixing and beside timm.

Run `python benchmarks/training_step.py [--quick] [--threads N]`. A step is mixing, forward, loss, backward and an SGD
update of timm's resnet10t on 128 x 3 x 32 x 32. Goal: at most 3 % more CPU time than no mixing. The ways take turns
step by step; the increase is the median over rounds of the ratio within a round, since a step costs more or less with
what the machine does beside.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import timm
import timm.data
import torch
from _timing import Times, describe_machine, take_turns
from timm.loss import SoftTargetCrossEntropy
from torch import Tensor
from torch.nn import functional as F

from automix.manager import build_host
from automix.policy import PolicyDocument, compile_policy

BATCH, SIZE, NUM_CLASSES = 128, 32, 10
Loss = Callable[[torch.nn.Module, Tensor, Tensor], Tensor]


def plain(model: torch.nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Compute the loss without mixing."""
    return F.cross_entropy(model(images), labels)


def automixs(name: str) -> Loss:
    """Compute the loss as a policy does."""
    document = PolicyDocument.model_validate({"branches": [{"mixer": {"name": name}}]})
    return compile_policy(document, build_host().registry, num_classes=NUM_CLASSES).loss


def timms(mode: str, *, cutmix: bool) -> Loss:
    """Compute the loss as timm's training script does."""
    alphas = {"mixup_alpha": float(not cutmix), "cutmix_alpha": float(cutmix)}
    mixup = timm.data.Mixup(**alphas, mode=mode, label_smoothing=0.0, num_classes=NUM_CLASSES)
    soft = SoftTargetCrossEntropy()

    def loss(model: torch.nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        mixed, targets = mixup(images, labels)
        return soft(model(mixed), targets)

    return loss


def step_of(loss: Loss) -> Callable[[], object]:
    """Make a training step with a model, an optimiser and images of its own."""
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=NUM_CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images, labels = torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(NUM_CLASSES, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        loss(model, images, labels).backward()
        optimizer.step()

    return step


def increase(one: Times, base: Times) -> tuple[float, float]:
    """Return median and half the distance between quartiles of the relative increase of CPU time."""
    ratios = [mine / theirs - 1.0 for mine, theirs in zip(one.cpu, base.cpu, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, (high - low) / 2


def main() -> None:
    """Measure both methods."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a first look")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(describe_machine())
    losses: dict[str, Loss] = {"no mixing": plain, "no mixing again": plain}
    for name in ("mixup", "cutmix"):
        losses[f"automix {name}"] = automixs(name)
        losses[f"timm {name}, batch"] = timms("batch", cutmix=name == "cutmix")
        losses[f"timm {name}, elem"] = timms("elem", cutmix=name == "cutmix")
    ways = {name: step_of(loss) for name, loss in losses.items()}
    times = take_turns(ways, rounds=9 if options.quick else 61, round_s=0.0)
    print(f"\ntraining step, resnet10t, {BATCH} x 3 x {SIZE} x {SIZE}, float32")
    print(f"  {'':22}{'CPU ms':>10}{'wall ms':>10}{'more CPU than no mixing':>30}")
    for name, one in times.items():
        more, spread = increase(one, times["no mixing"])
        print(f"  {name:22}{one.cpu_s * 1e3:10.2f}{one.wall_s * 1e3:10.2f}{f'{more:+.1%} (+- {spread:.1%})':>30}")


if __name__ == "__main__":
    main()
