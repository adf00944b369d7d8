"""What TdAttenMix costs: the search for windows, and a training step with each guide beside a CutMix step.

Run `python benchmarks/windows.py [--model NAME] [--batch N] [--rounds N] [--device cuda] [--threads N] [--quick]`.
Goals: windows of 256 maps of 14 x 14 in under 2 ms on two cores; a step with `self_attention` at most 1.5 times a
CutMix step. With `top_down` two passes of the guide's network are added to a step, unless its maps are kept, as
training does ("kept" below); for the released size, b, +145 % is to be expected on DeiT-S where half of the batches are
mixed so. Networks have random weights: cost does not depend on them. Step ratios are medians over rounds, by CPU time
(wall time in brackets); search times are medians.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import timm
import torch
from _timing import Times, describe_machine, take_turns
from torch import Tensor, nn

from automix.manager import build_host
from automix.mixing import ArtifactStore, Guide, ModelInfo, PrepareContext
from automix.mixing.probes import anatomy
from automix.policy import PolicyDocument, PolicyMixer, compile_policy
from automix_attention.networks import FeedbackViT, to_tensors
from automix_attention.training import shape_for
from automix_tdattenmix.functional import best_windows

NUM_CLASSES = 1000
PX = 224


class Untrained(ArtifactStore):
    """Hands out a network of random weights."""

    def __init__(self, size: str) -> None:
        self._size = size

    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Make a network of this size."""
        return to_tensors(FeedbackViT.seeded(shape_for(context(self), self._size), torch.Generator().manual_seed(0)))


def context(store: ArtifactStore) -> PrepareContext:
    """Say what the images are like; there are none."""
    return PrepareContext(
        batches=lambda: iter(()),
        shuffled=lambda _: iter(()),
        num_classes=NUM_CLASSES,
        channels=3,
        image_size=(PX, PX),
        normalization=((0.5,) * 3, (0.5,) * 3),
        device=torch.device("cpu"),
        fingerprint="none",
        store=store,
    )


def policy(mixer: dict[str, Any], guide: dict[str, Any] | None = None) -> PolicyMixer:
    """Compile one branch; a guide that wants a network gets a random one."""
    branch = {"mixer": mixer} if guide is None else {"mixer": mixer, "guide": guide}
    document = PolicyDocument.model_validate({"branches": [branch]})
    mix = compile_policy(document, build_host().registry, num_classes=NUM_CLASSES)
    if guide is not None:
        mix.branches[0].mixer.guide.prepare(context(Untrained(guide.get("size", "mini"))))
    return mix


def step(
    model: nn.Module, mix: PolicyMixer, images: Tensor, labels: Tensor, kept: Tensor | None = None
) -> Callable[[], None]:
    """Make a function that takes one step, with maps at hand where ``kept`` is given."""
    info = ModelInfo(num_features=model.num_features, num_classes=NUM_CLASSES, anatomy=anatomy(model))
    mix.extra_modules(info).to(images.device)

    def maps(_: Guide) -> Tensor | None:
        return kept

    def run() -> None:
        half = torch.autocast("cuda", dtype=torch.bfloat16) if images.is_cuda else nullcontext()
        with half:
            mixing = mix.batch(images, labels, epoch=0, step=0, model=model, maps=maps)
            with mixing.watching():
                logits = model(mixing.mixed.images)
            loss = mix.criterion(mixing, logits)
        loss.backward()
        model.zero_grad(set_to_none=True)
        if images.is_cuda:
            torch.cuda.synchronize()

    return run


def ratio(times: dict[str, Times], way: str, clock: str) -> float:
    """Median over rounds of the ratio to CutMix within a round."""
    pairs = zip(getattr(times[way], clock), getattr(times["cutmix"], clock), strict=True)
    return statistics.median(own / base for own, base in pairs)


def searches(rounds: int) -> dict[str, Times]:
    """Time the search on dense maps, and on sparse ones with many ties."""
    generator = torch.Generator().manual_seed(0)
    dense = torch.rand(256, 14, 14, generator=generator)
    sides, ties = torch.randint(3, 11, (256,), generator=generator), torch.rand(256, generator=generator)
    ways = {
        f"{name}, {'largest' if largest else 'smallest'}": lambda maps=maps, largest=largest: best_windows(
            maps, sides, ties, largest=largest
        )
        for name, maps in (("dense", dense), ("sparse", (dense - 0.9).clamp(min=0)))
        for largest in (True, False)
    }
    return take_turns(ways, rounds=rounds, round_s=0.1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="deit_small_patch16_224")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="DeiT-Ti, 4 images, 3 rounds")
    args = parser.parse_args()
    if args.quick:
        args.model, args.batch, args.rounds = "deit_tiny_patch16_224", 4, 3
    torch.set_num_threads(args.threads)
    print(describe_machine())
    print("windows of 256 maps of 14 x 14, every side from 3 to 10, all places")
    for way, one in searches(args.rounds).items():
        print(f"  {way:18} {one.wall_s * 1e3:7.2f} ms wall, {one.cpu_s * 1e3:7.2f} ms CPU")

    torch.manual_seed(0)
    model = timm.create_model(args.model, num_classes=NUM_CLASSES).to(args.device).train()
    images = torch.randn(args.batch, 3, PX, PX, device=args.device)
    labels = torch.arange(args.batch, device=args.device)
    plain = {"name": "tdattenmix", "w_con": 0.0, "w_fine": 0.0}
    whole = {"name": "tdattenmix"}
    maps = torch.rand(args.batch, 1, 14, 14, device=args.device)
    guided = {
        "self_attention": policy(whole, {"name": "self_attention"}),
        "self_attention, no losses": policy(plain, {"name": "self_attention"}),
        "top_down mini": policy(whole, {"name": "top_down"}),
        "top_down b": policy(whole, {"name": "top_down", "size": "b"}),
    }
    ways = {"cutmix": step(model, policy({"name": "cutmix"}), images, labels)}
    ways |= {name: step(model, mix, images, labels) for name, mix in guided.items()}
    ways["top_down, kept"] = step(model, guided["top_down b"], images, labels, maps)
    print(f"{args.model}, {args.batch} images of {PX} px, {args.rounds} rounds, {args.device}")
    times = take_turns(ways, rounds=args.rounds, round_s=0.0)
    for way, one in times.items():
        cost = f"{ratio(times, way, 'cpu'):.2f} ({ratio(times, way, 'wall'):.2f})"
        print(f"  {way:26} {one.cpu_s:8.3f} s CPU, spread {one.spread:.0%}, {cost} of a CutMix step")


if __name__ == "__main__":
    main()
