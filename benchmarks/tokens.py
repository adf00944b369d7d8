"""What label rules that follow attention add to a CutMix step of a vision transformer.

Run `python benchmarks/tokens.py [--model NAME] [--batch N] [--rounds N] [--device cuda] [--quick]`. A step is mixing,
forward, loss and backward at 224 px, in bfloat16 on a GPU and float32 on a CPU. Goal: TL-Align costs at most 10 % more
than the same step with fused attention switched off in all blocks, which any way of seeing attention costs, and keeps
no more than the head-averaged map of one block. The ways take turns step by step; ratios are medians over rounds of
ratios within a round.
"""

from __future__ import annotations

import argparse
import statistics
import weakref
from collections.abc import Callable
from contextlib import nullcontext

import timm
import torch
from _timing import Times, describe_machine, take_turns
from torch import Tensor, nn

from automix.manager import build_host
from automix.mixing.probes import BlockAttention, watch_attention
from automix.policy import PolicyDocument, PolicyMixer, compile_policy

NUM_CLASSES = 1000


def policy(rule: str) -> PolicyMixer:
    """Compile CutMix on the patch grid with a label rule."""
    branch = {"mixer": {"name": "cutmix", "box_grid": 14}, "labels": {"name": rule}}
    document = PolicyDocument.model_validate({"branches": [branch]})
    return compile_policy(document, build_host().registry, num_classes=NUM_CLASSES)


def step(model: nn.Module, mix: PolicyMixer, images: Tensor, labels: Tensor, unfused: int = 0) -> Callable[[], None]:
    """Make a function that takes one step, with the last ``unfused`` blocks without fused attention."""

    def run() -> None:
        blocks = list(model.blocks)[len(model.blocks) - unfused :]
        for block in blocks:
            block.attn.fused_attn = False
        half = torch.autocast("cuda", dtype=torch.bfloat16) if images.is_cuda else nullcontext()
        with half:
            loss = mix.loss(model, images, labels)
        loss.backward()
        model.zero_grad(set_to_none=True)
        for block in blocks:
            block.attn.fused_attn = True
        if images.is_cuda:
            torch.cuda.synchronize()

    return run


def ratio(times: dict[str, Times], way: str, other: str) -> str:
    """Median over rounds of the ratio within a round, by CPU time and by wall time."""
    cpu, wall = (
        statistics.median(a / b for a, b in zip(getattr(times[way], clock), getattr(times[other], clock), strict=True))
        for clock in ("cpu", "wall")
    )
    return f"{cpu - 1:+.1%} ({wall - 1:+.1%})"


def most_maps_alive(model: nn.Module, images: Tensor) -> int:
    """Count how many head-averaged maps are alive at once while a rule that keeps none watches all blocks."""
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def see(attention: BlockAttention) -> None:
        nonlocal most
        alive.append(weakref.ref(attention.weights))
        most = max(most, sum(map() is not None for map in alive))

    with watch_attention(model, see):
        model(images)
    return most


def peak_mib(run: Callable[[], None]) -> float:
    """Peak of a step's GPU memory."""
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated() / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="deit_small_patch16_224")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="DeiT-Ti, 4 images, 3 rounds")
    args = parser.parse_args()
    if args.quick:
        args.model, args.batch, args.rounds = "deit_tiny_patch16_224", 4, 3
    torch.manual_seed(0)
    model = timm.create_model(args.model, num_classes=NUM_CLASSES).to(args.device).train()
    images = torch.randn(args.batch, 3, 224, 224, device=args.device)
    labels = torch.arange(args.batch, device=args.device)
    depth = len(model.blocks)
    area = policy("area")
    ways = {
        "fused": step(model, area, images, labels),
        "last un-fused": step(model, area, images, labels, 1),
        "un-fused": step(model, area, images, labels, depth),
        "transmix": step(model, policy("transmix"), images, labels),
        "tl_align": step(model, policy("tl_align"), images, labels),
    }
    print(describe_machine())
    print(f"{args.model}, {args.batch} images of 224 px, {args.rounds} rounds, {args.device}")
    times = take_turns(ways, rounds=args.rounds, round_s=0.0)
    for way, one in times.items():
        print(f"  {way:14} {one.cpu_s:8.3f} s CPU, {one.wall_s:8.3f} s wall, spread {one.spread:.0%}")
    print("  beyond, by CPU time (by wall time):")
    for way, others in {"transmix": ("fused", "last un-fused"), "tl_align": ("fused", "un-fused")}.items():
        print(f"  {way:14} " + ", ".join(f"{other}: {ratio(times, way, other)}" for other in others))
    print(f"  head-averaged maps alive at once: {most_maps_alive(model, images)}")
    if images.is_cuda:
        print("  peak memory, MiB: " + ", ".join(f"{way} {peak_mib(run):.0f}" for way, run in ways.items()))


if __name__ == "__main__":
    main()
