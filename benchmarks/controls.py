"""Whole searches whose answer is known before: what automix says of them, and whether that holds on other seeds.

Run `python benchmarks/controls.py` (about an hour of processor time) or with `--quick` (about five minutes). Every case
is a search as `automix search` does it, worker processes and verdict included:

- positive: digits of which 40 % are labelled at random. Mixing must win, by more than 5 points.
- negative: few clean pictures of clothes, few epochs. Mixing must not win.
- null: clean digits, where mixing makes no difference. A win is a false one.
- regime: the same 10 classes of CIFAR-10, 1000 pictures for 12 epochs and 500 for 60. The answer must flip.
- noisy: the positive control in other sizes; more announced gains.

The winner of every case that announced a gain in accuracy is trained again beside no mixing, on seeds that nobody has
used: the replication. A case that is done is kept in `--work`, and one that was interrupted goes on where it was, so
the same command goes on. `--write` puts the tables into docs/controls.md and the figures into
benchmarks/data/controls.json.

Pictures are read from `--images`, a folder with fashion-mnist-3k/fashion_mnist_3k.npz and cifar10-jpeg/
cifar10_jpeg.npz; cases whose pictures are not there are left out.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from controls_report import write_report

from automix.api import execute
from automix.confirming import Confirmation, stored_confirmation
from automix.goal import ACCURACY
from automix.manager import build_host
from automix.mixing.random import seed_of
from automix.planning import SearchPlan, SearchRequest, plan_search
from automix.search import StudyFolder
from automix.search.confirm_worker import open_rounds, settle_round
from automix.search.folder import replace_text
from automix.search.rounds import Round
from automix.verdict import paired_difference
from automix.verdict.decision import NO_MIXING
from automix.verdict.opening import Exam, open_test, read_answers
from automix.verdict.scores import Scores

HOST = build_host()
ROOT = Path(__file__).parents[1]
N_FRESH = 5
"""Seeds of a replication."""


@dataclass(frozen=True)
class Case:
    """A search with an answer that is known before.

    Attributes:
        control: what it belongs to.
        data: text that names the data set.
        options: of the search.
    """

    control: str
    data: str
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Identity among the cases, and name of the study."""
        sizes = (f"{self.options[key]}" for key in ("limit", "epochs"))
        return "-".join([self.control, *sizes, f"seed{self.options['seed']}"])

    def result(self, work: Path) -> Path:
        """Return the file that holds what came of it, once it is done."""
        return work / "results" / f"{self.name}.json"


def main() -> None:
    """Go through the cases that are not done, then print and keep what all of them say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one search of a kind, fewer seeds")
    parser.add_argument("--only", action="append", help="name of a control; may be repeated")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "controls")
    parser.add_argument("--images", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--write", action="store_true", help="write docs/controls.md and benchmarks/data/controls.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = list(_cases(options.images, options.quick))
    chosen = [case for case in cases if not options.only or case.control in options.only]
    for number, case in enumerate(chosen, start=1):
        print(f"[{number}/{len(chosen)}] {case.name}", flush=True)
        if not case.result(options.work).exists():
            _keep(case.result(options.work), _search(case, options.work))
    files = [case.result(options.work) for case in cases]
    write_report(
        [json.loads(file.read_text("utf-8")) for file in files if file.exists()], ROOT if options.write else None
    )


def _cases(images: Path, quick: bool) -> Iterator[Case]:
    """List the cases, those that say most for their time first."""
    search = {"space": "small", "preset": "quick", "trials": 10, "confirm": 3, "memory": False, "workers": 1}
    noisy = {**search, "label_noise": 0.4}
    # Accuracy differs by a point at most, log-loss by one nat. In both, 60 epochs are what is meant in the end.
    regime = {**search, "trials": 7, "goal": "log_loss", "final_epochs": 60}
    fashion, cifar = images / "fashion-mnist-3k" / "fashion_mnist_3k.npz", images / "cifar10-jpeg" / "cifar10_jpeg.npz"
    for seed in range(1, 2 if quick else 6):
        yield Case("positive", "digits", {**noisy, "limit": 300, "epochs": 60, "seed": seed})
    if fashion.exists():
        for seed in range(1, 2 if quick else 3):
            yield Case("negative", f"npz:{fashion}", {**search, "limit": 1000, "epochs": 10, "seed": seed})
    if cifar.exists() and not quick:
        for limit, epochs in ((1000, 12), (500, 60)):
            yield Case("regime", f"npz:{cifar}", {**regime, "limit": limit, "epochs": epochs, "seed": 1})
    for seed in range(1, 3 if quick else 9):
        yield Case("null", "digits", {**search, "limit": 200, "epochs": 50, "seed": seed})
    if not quick:
        for limit, epochs in ((200, 80), (400, 60)):
            yield Case("noisy", "digits", {**noisy, "limit": limit, "epochs": epochs, "seed": 1})


def _keep(file: Path, found: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, json.dumps(found, indent=1) + "\n")
    print(f"    {found['statement']}", flush=True)


def _search(case: Case, work: Path) -> dict[str, Any]:
    begun, cpu = time.perf_counter(), _cpu_s()
    out = work / "out" / case.name
    request = SearchRequest(data=case.data, name=case.name, device="cpu", work=work, out=out, **case.options)
    plan = plan_search(request, HOST)
    result = execute(plan, announce=lambda line: print(f"    {line}", flush=True))
    confirmation = stored_confirmation(plan, result)
    if confirmation is None:
        raise SystemExit(f"{case.name} came to no verdict: {result.ending.value}; run the same command again.")
    verdict = confirmation.verdict
    values = verdict.to_dict()
    return {
        "name": case.name,
        "control": case.control,
        "options": dict(case.options),
        **{key: values[key] for key in ("kind", "winner", "to_none", "to_default")},
        "statement": _statement(out),
        "warnings": list(verdict.subject.warnings),
        "arms": {arm.name: {"title": arm.title, "val_top1": arm.val["top1"], **arm.test} for arm in verdict.arms},
        "replication": _replicate(plan, confirmation) if verdict.kind == "helps" and plan.goal is ACCURACY else None,
        "seconds": round(time.perf_counter() - begun),
        "cpu_s": round(_cpu_s() - cpu),
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _statement(out: Path) -> str:
    from automix.policy import load_document

    return str(load_document(out / "policy.yaml").verdict["statement"])


def _replicate(plan: SearchPlan, confirmation: Confirmation) -> dict[str, Any]:
    """Train the winner and no mixing on seeds that neither search nor verdict have used, and compare them on test."""
    seeds = [seed_of(plan.config.seed, "replication", i) % 2**31 for i in range(N_FRESH)]
    folder = StudyFolder(plan.work, plan.config.name).path / "replication"
    tables = []
    for entrant in (confirmation.entrants[name] for name in (confirmation.verdict.winner, NO_MIXING)):
        rounds = [Round(entrant, seed, folder / f"{entrant.key}-{seed}") for seed in seeds]
        tables.append(_answers(plan, rounds))
    found = paired_difference(*(table.terms["top1"] for table in tables))
    return {"seeds": len(seeds), "gain": [found.mean, found.low, found.high], "holds": found.is_above}


def _answers(plan: SearchPlan, rounds: list[Round]) -> Scores:
    train_one = open_rounds(plan.config, StudyFolder(plan.work, plan.config.name))
    exams = []
    for one in rounds:
        if one.result() is None:
            settle_round(one, train_one, lambda: False)
        trained = one.result()
        if trained is None or trained.error:
            raise SystemExit(f"{one.entrant.title} could not be trained: {trained}")
        exams.append(Exam(one.model_file, trained.policy or {}, trained.temperature, one.answers_file))
    open_test(exams, data_key=plan.config.data_key, work=plan.work, settings=plan.settings, registry=HOST.registry)
    return Scores([read_answers(one.answers_file) for one in rounds])


def _cpu_s() -> float:
    """Processor time of this process and of the workers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _commit() -> str:
    """Name the commit of the code that searched."""
    import automix

    home = Path(automix.__file__).parent
    told = subprocess.run(["git", "-C", home, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return told.stdout.strip() or automix.__version__


if __name__ == "__main__":
    main()
