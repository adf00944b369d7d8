"""What mixing costs on the CPU: automix beside timm and beside a plain copy.

Run `python benchmarks/kernels.py [--quick] [--threads N]`. Goals, by CPU time, on a quiet machine: the buffer path at
224 px at least 3 times cheaper than timm's batch mode, at 32 px at least 60 (Mixup) and 80 (CutMix) times cheaper than
timm's per-image mode; the user's call `images, targets = mix(images, labels)` not dearer than timm's batch mode.
The buffer path is `Mixer.apply` with a plan at hand: a ratio or box for each image, any permutation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import timm.data
import torch
from _timing import describe_machine, print_table, take_turns

from automix.manager import build_host
from automix.mixing import Batch, Buffers, PairMixer, Streams
from automix.policy import PolicyDocument, compile_policy
from automix_cutmix.mixer import CutMix
from automix_mixup.mixer import Mixup

BATCH = 128
NUM_CLASSES = 10
SHARE_OF_COPY = {32: 0.35, 224: 0.65}


def buffer_path(mixer: PairMixer, batch: Batch) -> Callable[[], object]:
    """Carry out one of many plans with reused memory."""
    pool, streams = Buffers(), Streams(0)
    plans = [mixer.draw(batch, streams.generator(step)) for step in range(32)]
    turn = iter(range(10**9))
    return lambda: mixer.apply(batch.images, plans[next(turn) % len(plans)], pool)


def users_call(name: str, batch: Batch) -> Callable[[], object]:
    """Do what a training loop does: draw, mix, build dense targets."""
    document = PolicyDocument.model_validate({"branches": [{"mixer": {"name": name}}]})
    mix = compile_policy(document, build_host().registry, num_classes=NUM_CLASSES)
    return lambda: mix(batch.images, batch.labels)


def timms(mode: str, batch: Batch, *, cutmix: bool) -> Callable[[], object]:
    """Do the same with timm, which mixes in place and pairs each image with the mirrored batch."""
    alphas = {"mixup_alpha": float(not cutmix), "cutmix_alpha": float(cutmix)}
    mixup = timm.data.Mixup(**alphas, mode=mode, label_smoothing=0.0, num_classes=NUM_CLASSES)
    images = batch.images.clone()
    return lambda: mixup(images, batch.labels)


def ways_for(name: str, mixer: PairMixer, batch: Batch) -> dict[str, Callable[[], object]]:
    """List what takes turns."""
    target = torch.empty_like(batch.images)
    return {
        "copy": lambda: target.copy_(batch.images),
        f"timm {name}, batch": timms("batch", batch, cutmix=name == "cutmix"),
        f"timm {name}, elem": timms("elem", batch, cutmix=name == "cutmix"),
        f"automix {name}, buffer path": buffer_path(mixer, batch),
        f"automix {name}, mix(images, labels)": users_call(name, batch),
    }


def main() -> None:
    """Measure both methods at both sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a first look")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(describe_machine())
    rounds, round_s = (7, 0.02) if options.quick else (31, 0.05)
    for size in (32, 224):
        images = torch.randn(BATCH, 3, size, size)
        batch = Batch(images, torch.randint(NUM_CLASSES, (BATCH,)), NUM_CLASSES)
        for name, mixer in (("mixup", Mixup()), ("cutmix", CutMix())):
            times = take_turns(ways_for(name, mixer, batch), rounds=rounds, round_s=round_s)
            against = {"copy": "copy", "timm batch": f"timm {name}, batch", "timm elem": f"timm {name}, elem"}
            print_table(f"{name}, {BATCH} x 3 x {size} x {size}, float32", times, against)
            share = times["copy"].cpu_s / times[f"automix {name}, buffer path"].cpu_s
            print(f"  buffer path at {share:.0%} of the speed of a copy (goal {SHARE_OF_COPY[size]:.0%})")


if __name__ == "__main__":
    main()
