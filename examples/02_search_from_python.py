"""Search from Python: what `automix search --data digits --preset smoke` does, one to two minutes on two cores.

python examples/02_search_from_python.py [FOLDER]

Run it again and it finds everything done; stop it with Ctrl-C and run it again, and it goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import automix

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "automix-out/example")

# `data` can as well be "folder:photos", or any map-style torch.utils.data.Dataset of (image, label).
result = automix.search(
    "digits", preset="smoke", name="example", work=folder / "work", out=folder / "out", announce=print
)

for row in result.leaderboard[:5]:
    delta = "" if row.delta_top1 is None else f"  {100 * row.delta_top1:+.2f} to no mixing"
    print(f"{row.rank}. {row.title:32s} {100 * row.metrics['val/top1']:.2f} %{delta}")
print(result.note)

mix = automix.load_policy(result.out / "policy.yaml", num_classes=10)
print(f"policy.yaml: {mix.document.title()}; the rest lies in {result.out}")
