from __future__ import annotations

import json

import numpy as np
import pytest

from automix.verdict import Arm, Subject, Verdict, advice, choose, decide, details, record, sentence
from automix.verdict.decision import arms_to_test
from automix.verdict.scores import METRICS, Scores, answers_of

SUBJECT = Subject("photos", "resnet18", 40, 400, (11, 12, 13))


def arm(name: str, *val: float, loss: float = 0.5) -> Arm:
    return Arm(name, f"{name} a=1", val, (loss,) * len(val))


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
    assert f"A gain of {100 * found.gain.smallest:.1f} points" in sentence(found)
    assert "no mixing" in advice(found)


def test_looking_at_the_test_images_again_is_told() -> None:
    again = Subject("photos", "resnet18", 40, 400, (11, 12, 13), opened=2)
    found = decide(again, [NONE, GOOD], {"none": scores(0.7, 1), "slot 4": scores(0.8, 2)})
    assert any("looked at 2 times" in line for line in details(found))


def test_verdict_survives_json() -> None:
    found = verdict(0.85, 0.70)
    assert Verdict.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize("winner", [0.85, 0.71, 0.6])
def test_record_of_a_policy_file_is_plain(winner: float) -> None:
    found = record(verdict(winner, 0.7))
    assert json.loads(json.dumps(found)) == found
    assert found["seeds"] == 3
    assert found["gain"][1] <= found["gain"][0] <= found["gain"][2]
