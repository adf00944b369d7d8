from __future__ import annotations

import json
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from automix.goal import GOALS, Goal, goal_of
from automix.training import metrics
from automix.verdict import Arm, Subject, Verdict, advice, choose, decide, details, record, sentence
from automix.verdict.decision import arms_to_test
from automix.verdict.facts import tags_and_metrics
from automix.verdict.scores import METRICS, Answers, Scores, answers_of
from automix.verdict.statistics import LEVEL, level_of, paired_difference

SUBJECT = Subject("photos", "resnet18", 40, 400, (11, 12, 13))


def arm(name: str, *val: float, loss: float = 0.5) -> Arm:
    return Arm(name, f"{name} a=1", {"top1": val, "logloss": (loss,) * len(val)})


def scores(accuracy: float, key: int, n: int = 3, m: int = 400) -> Scores:
    """Answers of models that are right with this chance."""
    generator = np.random.Generator(np.random.Philox(key=key))
    answers = []
    for _ in range(n):
        own = generator.random(m) < accuracy
        probs = np.where(own[:, None], [[0.8, 0.2]], [[0.3, 0.7]]).astype(np.float32)
        answers.append(answers_of(probs, np.zeros(m, dtype=np.int64), 1.5))
    return Scores(answers)


NONE, GOOD, DEFAULT = arm("none", 0.7, 0.7, 0.71), arm("slot 4", 0.8, 0.8, 0.82), arm("timm_default", 0.75, 0.74, 0.7)


def verdict(winner: float, none: float, *, arms: tuple[Arm, ...] = (NONE, GOOD, DEFAULT)) -> Verdict:
    found = {"none": scores(none, 1), "slot 4": scores(winner, 2), "timm_default": scores(0.75, 3)}
    return decide(SUBJECT, arms, {name: found[name] for name in arms_to_test(arms)})


def test_validation_chooses_and_log_loss_breaks_ties() -> None:
    assert choose([NONE, GOOD, DEFAULT]).name == "slot 4"
    assert choose([arm("a", 0.8, 0.6), arm("b", 0.7, 0.7, loss=0.4)]).name == "b"


def test_test_images_are_opened_for_winner_no_mixing_and_library_default_alone() -> None:
    assert arms_to_test([NONE, arm("x", 0.1), GOOD, DEFAULT, arm("y", 0.79)]) == ["slot 4", "none", "timm_default"]
    assert arms_to_test([arm("none", 0.99), GOOD, DEFAULT]) == ["none", "timm_default"]
    assert arms_to_test([NONE, GOOD]) == ["slot 4", "none"]


@pytest.mark.parametrize(
    ("winner", "none", "kind"),
    [(0.85, 0.70, "helps"), (0.71, 0.70, "no_difference"), (0.60, 0.75, "do_not_mix")],
)
def test_interval_decides(winner: float, none: float, kind: str) -> None:
    found = verdict(winner, none)
    assert found.kind == kind
    assert found.gain is not None
    assert (found.gain.low > 0) == (kind == "helps")
    assert (found.gain.high < 0) == (kind == "do_not_mix")


def test_no_mixing_that_wins_on_validation_means_do_not_mix() -> None:
    found = verdict(0.9, 0.7, arms=(arm("none", 0.9, 0.9, 0.9), GOOD, DEFAULT))
    assert (found.kind, found.winner, found.gain) == ("do_not_mix", "none", None)
    assert "no mixing was the best on validation" in sentence(found)
    assert set(found.to_default) == set(METRICS)


def test_library_default_that_wins_is_not_compared_with_itself() -> None:
    found = verdict(0.9, 0.7, arms=(NONE, arm("timm_default", 0.9, 0.9, 0.9)))
    assert found.winner == "timm_default"
    assert not found.to_default
    assert not any("library default" in line for line in details(found))


def test_arms_that_were_not_opened_have_no_test_values() -> None:
    found = verdict(0.85, 0.7, arms=(NONE, GOOD, DEFAULT, arm("mixup", 0.1, 0.1, 0.1)))
    assert [bool(one.test) for one in found.arms] == [True, True, True, False]


def test_sentence_says_what_it_speaks_of() -> None:
    text = sentence(verdict(0.85, 0.70))
    for part in (
        "photos",
        "resnet18",
        "40 epochs",
        "3 fresh seeds",
        "400 test images",
        "mixing helps",
        "97 % interval",
    ):
        assert part in text


def test_sentence_without_a_difference_says_what_could_have_been_seen_and_claims_nothing() -> None:
    found = verdict(0.71, 0.70)
    assert "no difference found" in sentence(found)
    assert "helps" not in sentence(found)
    assert found.gain is not None
    assert f"A gain of {100 * found.gain.smallest:.2f} points" in sentence(found)
    assert "no mixing" in advice(found)


def test_looking_at_the_test_images_again_is_told() -> None:
    again = Subject("photos", "resnet18", 40, 400, (11, 12, 13), opened=2)
    answers = {"none": scores(0.7, 1), "slot 4": scores(0.8, 2)}
    found, first = decide(again, [NONE, GOOD], answers), decide(replace(again, opened=1), [NONE, GOOD], answers)
    assert any("looked at 2 times" in line for line in details(found))
    assert not any("looked at" in line for line in details(first))


def test_later_look_must_be_surer_so_that_all_looks_together_err_a_third_more_than_the_first() -> None:
    again = Subject("photos", "resnet18", 40, 400, (11, 12, 13), opened=2)
    answers = {"none": scores(0.7, 1), "slot 4": scores(0.8, 2)}
    found, first = decide(again, [NONE, GOOD], answers), decide(replace(again, opened=1), [NONE, GOOD], answers)
    assert found.gain is not None
    assert first.gain is not None
    assert found.gain.low < first.gain.low < first.gain.mean == found.gain.mean
    assert "99.25 % interval" in sentence(found)
    assert (record(found)["level"], record(first)["level"]) == (0.9925, LEVEL)
    assert sum(1 - level_of(look) for look in range(1, 50)) == pytest.approx(4 / 3 * (1 - LEVEL))


GOAL_KINDS = [  # goal, what the winner and no mixing reach of it, the verdict
    ("log_loss", 0.5, 0.9, "helps"),
    ("log_loss", 0.9, 0.5, "do_not_mix"),
    ("calibration", 0.02, 0.09, "helps"),
    ("calibration", 0.09, 0.02, "do_not_mix"),
    ("robustness", 0.8, 0.6, "helps"),
    ("balanced_accuracy", 0.6, 0.8, "do_not_mix"),
    ("images_per_s", 900.0, 1000.0, "do_not_mix"),
    ("min:brier", 0.1, 0.3, "helps"),
]


def told(goal: Goal, ours: float, theirs: float) -> Verdict:
    """A verdict by a goal, whose values are these with a little spread."""
    better = 1.0 if goal.maximize else 0.0
    val = {"slot 4": better, "none": 0.5}
    arms = [Arm(name, name, dict.fromkeys(("top1", "logloss", goal.key), (val[name],) * 3)) for name in val]
    found = {}
    for name, level, key in (("slot 4", ours, 1), ("none", theirs, 2)):
        by_seed = [level * (1 + 0.01 * i) for i in range(3)]
        found[name] = Scores(scores(0.7, key).answers, {goal.key: by_seed})
    subject = Subject("photos", "resnet18", 40, 400, (1, 2, 3), goal=goal.name, warnings=("Mind the length.",))
    return decide(subject, arms, found)


@pytest.mark.parametrize(("name", "ours", "theirs", "kind"), GOAL_KINDS)
def test_the_goal_decides_whichever_way_it_is_better(name: str, ours: float, theirs: float, kind: str) -> None:
    goal = goal_of(name)
    verdict = told(goal, ours, theirs)
    assert (verdict.winner, verdict.kind) == ("slot 4", kind)
    assert verdict.gain is not None
    assert verdict.gain.text(goal) in sentence(verdict)
    assert goal.title in sentence(verdict)
    assert ("test images" in sentence(verdict)) == goal.is_quality
    assert any("Accuracy against no mixing" in line for line in details(verdict))
    assert any("3 seeds alone" in line for line in details(verdict))
    assert details(verdict)[-1] == "Mind the length."
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict
    assert record(verdict)["goal"] == name


def test_validation_chooses_by_the_goal_and_its_direction() -> None:
    calm, sharp = (
        Arm(name, name, {"top1": (top1,) * 3, "logloss": (loss,) * 3})
        for name, top1, loss in (("a", 0.7, 0.3), ("b", 0.8, 0.9))
    )
    assert choose([calm, sharp]).name == "b"
    assert choose([calm, sharp], GOALS["log_loss"]).name == "a"
    assert arms_to_test([calm, sharp, NONE], GOALS["log_loss"]) == ["a", "none"]


def test_terms_of_every_metric_have_it_as_their_mean() -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, 200)
    labels[:5] = 4  # class 3 has no images
    probs = generator.dirichlet(np.ones(5), 200).astype(np.float32)
    found = Scores([answers_of(probs, labels, 1.0, {"robustness": probs[:, 0]})])
    expected = {
        "top1": metrics.top1,
        "balanced_top1": metrics.balanced_top1,
        "logloss": metrics.log_loss,
        "ece": metrics.calibration_error,
    }
    for name, metric in expected.items():
        assert found.by_seed(name)[0] == pytest.approx(metric(probs, labels), rel=1e-5)
    assert found.by_seed("robustness")[0] == pytest.approx(probs[:, 0].mean())


def test_interval_of_balanced_accuracy_holds_the_truth_where_classes_are_rare() -> None:
    generator, shares = np.random.default_rng(5), np.array([0.85, 0.12, 0.03])
    hits, n_studies = 0, 600
    for _ in range(n_studies):
        labels = generator.choice(3, size=300, p=shares)
        ease = generator.normal(size=300)
        arms = []
        for level in (0.9, 0.8):
            right = level + 0.7 * ease + 0.7 * generator.normal(size=(3, 300)) > 0
            blank = np.full(300, 0.5, dtype=np.float32)
            arms.append(Scores([Answers(row, blank, blank, blank, blank, labels) for row in right]))
        truth = NormalDist().cdf(0.9 / 0.98**0.5) - NormalDist().cdf(0.8 / 0.98**0.5)
        found = paired_difference(*(one.terms["balanced_top1"] for one in arms))
        hits += found.low <= truth <= found.high
    assert hits / n_studies > 0.95


def test_verdict_survives_json() -> None:
    found = verdict(0.85, 0.70)
    assert Verdict.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize("winner", [0.85, 0.71, 0.6])
def test_record_of_a_policy_file_is_plain(winner: float) -> None:
    found = record(verdict(winner, 0.7))
    assert json.loads(json.dumps(found)) == found
    assert found["seeds"] == 3
    assert found["gain"][1] <= found["gain"][0] <= found["gain"][2]


def test_run_of_the_study_shows_what_was_found_and_the_gain_where_there_is_one() -> None:
    found = verdict(0.85, 0.70)
    assert found.gain is not None
    tags, metrics = tags_and_metrics(found)
    assert tags == {"automix.verdict": "helps", "automix.winner": "slot 4 a=1"}
    assert metrics == {
        "gain/test_top1": found.gain.mean,
        "gain/test_top1_low": found.gain.low,
        "gain/test_top1_high": found.gain.high,
    }
    nothing = verdict(0.9, 0.7, arms=(arm("none", 0.9, 0.9, 0.9), GOOD, DEFAULT))
    assert tags_and_metrics(nothing) == ({"automix.verdict": "do_not_mix", "automix.winner": "none a=1"}, {})
