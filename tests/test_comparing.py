"""Two studies side by side, from the command line and in parts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from automix.comparing import best_so_far, policy_differences, side_of
from automix.policy import PolicyDocument
from automix.search.config import save_config
from automix.search.folder import StudyFolder
from automix.search.ledger import Ledger, Proposal
from automix.storage import optuna_storage


@pytest.fixture
def work(make_plan: Callable[..., Any], tmp_path: Path) -> Path:
    """Two finished studies and an empty one."""
    results = {"first": [("none", 0.7), ("cutmix", 0.8), ("mixup", 0.75)], "second": [("none", 0.9)], "empty": []}
    for name, slots in results.items():
        plan = make_plan(name=name, work=tmp_path / "work")
        folder = StudyFolder(plan.work, name)
        save_config(folder, plan.config)
        ledger = Ledger(optuna_storage(folder.optuna_file), name, create=True)
        for number, (mixer, top1) in enumerate(slots):
            policy = PolicyDocument.of(mixer)
            arm = mixer if mixer == "none" else ""
            proposal = Proposal(policy=policy.to_dict(), key=policy.key(), title=mixer, arm=arm)
            row = {"val/top1": top1, "val/logloss": 1 - top1, "cost/cpu_s": 1.0, "cost/img_s": 1.0, "seconds": 2.0}
            record = ledger.open(number, proposal, worker=1)
            ledger.complete(ledger.add_epochs(record, [{**row, "val/top1": top1 / 2}, row]))
    return tmp_path / "work"


def test_a_side_says_what_the_study_is_about_and_what_leads(work: Path) -> None:
    facts = side_of(work, "first").facts()
    assert (facts["data"], facts["trials"], facts["best"], facts["value"]) == ("digits", "3 of 14", "cutmix", 0.8)
    assert facts["to none"] == "+0.1000"
    assert facts["training s"] == 12
    assert side_of(work, "empty").facts()["best"] is None
    assert best_so_far(side_of(work, "first")) == [0.7, 0.8, 0.8]


def test_policies_are_compared_value_by_value() -> None:
    ours, theirs = PolicyDocument.of("cutmix", prob=0.5), PolicyDocument.of("mixup", prob=0.5)
    assert policy_differences(ours, theirs) == [("branches.0.mixer.name", "cutmix", "mixup")]
    assert policy_differences(ours, ours) == []


def test_command_prints_both_and_draws_their_curves(cli: Callable[..., Any], work: Path, tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    shown = cli("compare", "first", "second", "--work", work, "--picture", picture)
    assert shown.code == 0, shown.err
    for words in ("first", "second", "cutmix", "90.00", "The best policies differ in", "branches.0.mixer.name"):
        assert words in shown.out
    with Image.open(picture) as image:
        assert image.size[0] > 800
    data = json.loads(cli("compare", "first", "second", "--work", work, "--picture", picture, "--json").out)
    assert set(data["studies"]) == {"first", "second"}
    assert cli("compare", "first", "empty", "--work", work, "--picture", picture).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("first", "third"), "Unknown study 'third'"), (("first", "second", "--picture", "/nowhere/x.png"), "--picture")],
)
def test_mistakes_are_told_in_one_line(
    cli: Callable[..., Any], work: Path, arguments: tuple[str, ...], words: str
) -> None:
    told = cli("compare", *arguments, "--work", work)
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert words in told.err
