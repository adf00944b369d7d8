"""The last step of a search: the best policies and the references again, on fresh seeds, and the verdict.

Every finished training and every look at the test images is kept in the study's folder: the same command goes on after
an interruption, and what an extended search confirms again is not trained again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automix.errors import unknown_name
from automix.goal import ACCURACY, Goal, measures_of
from automix.planning import SearchPlan
from automix.policy import PolicyDocument
from automix.search.folder import StudyFolder, replace_text
from automix.search.launch import Machine
from automix.search.leaderboard import NO_MIXING
from automix.search.ledger import SlotRecord, SlotState
from automix.search.memory import remember_verdict
from automix.search.result import SearchResult
from automix.search.rounds import Confirmed, ConfirmPlan, Entrant, Round, fresh_seeds
from automix.search.supervisor import Ending
from automix.verdict.decision import DEFAULT, Arm, Subject, Verdict, arms_to_test, decide
from automix.verdict.scores import Scores
from automix.verdict.words import record

__all__ = [
    "Confirmation",
    "choose_too",
    "confirm",
    "is_confirmable",
    "is_unfinished",
    "stored_confirmation",
    "trainings",
]

_FORMAT = "automix.verdict/2"
_REFERENCES = (NO_MIXING, "trivialmix", DEFAULT)


@dataclass(frozen=True)
class Confirmation:
    """A verdict with the models that it rests on.

    Attributes:
        verdict: what may be claimed.
        entrants: the policies by name of their arm.
        rounds: their trainings, in the order of the seeds.
    """

    verdict: Verdict
    entrants: Mapping[str, Entrant]
    rounds: Mapping[str, tuple[tuple[Round, Confirmed], ...]]

    @property
    def recommended(self) -> str:
        """Name of the arm to train with: the winner where it is shown to help, else no mixing."""
        return self.verdict.winner if self.verdict.kind == "helps" else NO_MIXING

    def best_round(self, arm: str) -> tuple[Round, Confirmed]:
        """Return the training of an arm whose model is the best on validation."""
        return max(self.rounds[arm], key=lambda pair: pair[1].worth(self.verdict.goal))

    def by_policy(self) -> dict[str, list[float]]:
        """Return what each policy reached of the goal on validation, by seed, under its key."""
        metric = self.verdict.goal.metric
        return {
            self.entrants[arm].key: [result.metrics[metric] for _, result in rounds]
            for arm, rounds in self.rounds.items()
        }

    def document(self, arm: str) -> PolicyDocument:
        """Return an arm's policy with fitted statistics."""
        one, result = self.best_round(arm)
        return PolicyDocument.from_dict(one.entrant.policy if result.policy is None else result.policy)

    def models(self) -> dict[str, Path]:
        """Name every model, such as "cutmix_a_0.7_p_0.8-seed1"."""
        return {
            f"{_slug(self.entrants[arm].title)}-seed{i}": one.model_file
            for arm, rounds in self.rounds.items()
            for i, (one, _) in enumerate(rounds, start=1)
        }


def trainings(plan: SearchPlan) -> int:
    """Count the trainings that confirming takes at most."""
    return (plan.n_best + len(_REFERENCES)) * plan.confirm


def confirm(
    plan: SearchPlan, result: SearchResult, machine: Machine, announce: Callable[[str], None]
) -> Confirmation | None:
    """Train on fresh seeds, choose a winner on validation, open the test images and come to a verdict.

    Args:
        plan: of the search.
        result: what it found.
        machine: what the trainings share.
        announce: told how it gets on.

    Returns:
        The verdict; None where none was asked for, the search or this was stopped, or no mixing could not be trained.

    Raises:
        StudyError: the trainings cannot be run.
    """
    stage = _stage(plan, result)
    if stage is None:
        return None
    stage.save(result.folder)
    from automix.search.confirm_stage import run_confirm_stage

    expected_s = result.best.seconds if result.best is not None else None
    if not run_confirm_stage(stage, result.folder, machine, announce, expected_s=expected_s):
        return None
    trained = _trained(stage, result.folder)
    for name in sorted({one.name for one in stage.entrants} - trained.keys()):
        announce(f"{name} could not be trained on every fresh seed and takes no part in the verdict.")
    if NO_MIXING not in trained:
        return None
    arms = [_arm(name, rounds, plan.goal) for name, rounds in trained.items()]
    tested = arms_to_test(arms, plan.goal)
    opened = _note_opening(result.folder, [one for name in tested for one, _ in trained[name]])
    if not all(one.answers_file.exists() for name in tested for one, _ in trained[name]):
        announce(f"Opening the test images for {', '.join(tested)}.")
    _open(plan, result.folder, [pair for name in tested for pair in trained[name]])
    verdict = decide(_subject(plan, stage, opened), arms, _answers(trained, tested, plan.goal))
    _store(result.folder, stage, verdict)
    winner = trained[verdict.winner][0][0].entrant
    remember_verdict(result, {**record(verdict), "policy_key": winner.key})
    return _confirmation(stage, verdict, trained)


def stored_confirmation(plan: SearchPlan, result: SearchResult) -> Confirmation | None:
    """Return the verdict that was come to for this state of the study, if there is one; nothing is trained."""
    stage = _stage(plan, result)
    file = _verdict_file(result.folder)
    if stage is None or not file.exists():
        return None
    stored = json.loads(file.read_text(encoding="utf-8"))
    if stored.get("format") != _FORMAT or stored["rounds"] != _names(stage.rounds(result.folder)):
        return None
    return _confirmation(stage, Verdict.from_dict(stored["verdict"]), _trained(stage, result.folder))


def is_confirmable(plan: SearchPlan, result: SearchResult) -> bool:
    """Whether there are policies to compare, and seeds to train them on."""
    return _stage(plan, result) is not None


def is_unfinished(plan: SearchPlan, result: SearchResult) -> bool:
    """Whether trainings on fresh seeds are still to be done."""
    stage = _stage(plan, result)
    return stage is not None and any(one.result() is None for one in stage.rounds(result.folder))


def choose_too(result: SearchResult, names: Sequence[str]) -> None:
    """Have policies trained on fresh seeds beside those that the ranking and the references name, from now on.

    Args:
        result: what the search found.
        names: of reference arms, or numbers of slots.

    Raises:
        UnknownNameError: there is no such arm or slot, or it did not train to the end.
    """
    whole = [slot for slot in result.slots.values() if slot.state is SlotState.COMPLETE]
    keys = {str(slot.slot): slot.proposal.key for slot in whole}
    keys |= {slot.proposal.arm: slot.proposal.key for slot in whole if slot.proposal.arm}
    for name in names:
        if name not in keys:
            raise unknown_name("slot or arm that trained to the end", name, keys, "--policies")
    stage = _known_stage(result.folder)
    chosen = tuple(dict.fromkeys([*stage.chosen, *(keys[name] for name in names)]))
    replace(stage, chosen=chosen).save(result.folder)


def _stage(plan: SearchPlan, result: SearchResult) -> ConfirmPlan | None:
    """Name who is trained again, and on which seeds; None where nobody is.

    Who was chosen by hand stays, and seeds do not become fewer: what has been looked at is not forgotten.
    """
    known = _known_stage(result.folder)
    n_seeds = max(plan.confirm, len(known.seeds))
    entrants = _entrants(result, plan.n_best, known.chosen)
    if not n_seeds or result.ending is Ending.STOPPED or NO_MIXING not in entrants or len(entrants) < 2:
        return None
    return ConfirmPlan(tuple(entrants.values()), fresh_seeds(plan.config.seed, n_seeds), known.chosen)


def _known_stage(folder: StudyFolder) -> ConfirmPlan:
    """Return the stage of an earlier start, or an empty one."""
    try:
        return ConfirmPlan.load(folder)
    except FileNotFoundError:
        return ConfirmPlan((), ())


def _entrants(result: SearchResult, n_best: int, by_hand: Collection[str]) -> dict[str, Entrant]:
    """Choose the best distinct policies that mix, the references, and those that were chosen by hand, by their keys.

    Only what trained to the end in the search takes part.
    """
    ranked = [result.slots[row.slot] for row in result.leaderboard]
    complete = [slot for slot in ranked if slot.state is SlotState.COMPLETE]
    distinct = list({slot.proposal.key: slot for slot in reversed(complete)}.values())[::-1]
    best = [slot for slot in distinct if slot.is_mixing][:n_best]
    references = [slot for slot in complete if slot.proposal.arm in _REFERENCES]
    also = [slot for slot in distinct if slot.proposal.key in by_hand]
    chosen = {slot.proposal.key: slot for slot in [*best, *also, *references]}
    # No mixing first; a policy that the sampler found and that is a reference too goes by the reference's name.
    ordered = sorted(chosen.values(), key=lambda slot: slot.proposal.arm != NO_MIXING)
    return {one.name: one for one in map(_entrant, ordered)}


def _entrant(slot: SlotRecord) -> Entrant:
    proposal = slot.proposal
    return Entrant(proposal.arm or f"slot {slot.slot}", proposal.title, proposal.key, proposal.policy)


_Trained = dict[str, tuple[tuple[Round, Confirmed], ...]]


def _trained(stage: ConfirmPlan, folder: StudyFolder) -> _Trained:
    """Return those that were trained on every seed."""
    rounds: dict[str, list[tuple[Round, Confirmed]]] = {one.name: [] for one in stage.entrants}
    for one in stage.rounds(folder):
        result = one.result()
        if result is not None and not result.error:
            rounds[one.entrant.name].append((one, result))
    return {name: tuple(found) for name, found in rounds.items() if len(found) == len(stage.seeds)}


def _arm(name: str, rounds: Sequence[tuple[Round, Confirmed]], goal: Goal) -> Arm:
    told = {one.key: one.metric for one in measures_of(goal)} | {one.key: one.metric for one in measures_of(ACCURACY)}
    val = {key: tuple(result.metrics[metric] for _, result in rounds) for key, metric in told.items()}
    return Arm(name, rounds[0][0].entrant.title, val)


def _open(plan: SearchPlan, folder: StudyFolder, rounds: Sequence[tuple[Round, Confirmed]]) -> None:
    from automix.verdict.opening import Exam, open_test

    exams = [
        Exam(one.model_file, result.policy or one.entrant.policy, result.temperature, one.answers_file)
        for one, result in rounds
    ]
    open_test(
        exams,
        data_key=plan.config.data_key,
        work=folder.work,
        settings=plan.settings,
        registry=plan.host.registry,
        goal=plan.goal,
    )


def _answers(trained: _Trained, tested: Sequence[str], goal: Goal) -> dict[str, Scores]:
    from automix.verdict.opening import read_answers

    def scores(rounds: Sequence[tuple[Round, Confirmed]]) -> Scores:
        # What says nothing of the model's quality is not a matter of test images: it was measured in training.
        by_model = {} if goal.is_quality else {goal.key: [result.metrics[goal.metric] for _, result in rounds]}
        return Scores([read_answers(one.answers_file) for one, _ in rounds], by_model)

    return {name: scores(trained[name]) for name in tested}


def _note_opening(folder: StudyFolder, rounds: Sequence[Round]) -> int:
    """Write down whom the test images are opened for, before they are; return how many times that has happened."""
    file = folder.path / "confirm" / "opened.json"
    looks: list[list[str]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    names = _names(rounds)
    if set(names) - {name for look in looks for name in look}:
        looks.append(names)
        replace_text(file, json.dumps(looks, indent=1) + "\n")
    return len(looks)


def _subject(plan: SearchPlan, stage: ConfirmPlan, opened: int) -> Subject:
    return Subject(
        data=plan.data.name,
        model=plan.settings.model,
        epochs=plan.settings.epochs,
        n_test=len(plan.data.splits["test"]),
        seeds=stage.seeds,
        opened=opened,
        goal=plan.config.goal,
        warnings=plan.warnings,
    )


def _confirmation(stage: ConfirmPlan, verdict: Verdict, trained: _Trained) -> Confirmation:
    return Confirmation(verdict, {one.name: one for one in stage.entrants}, trained)


def _store(folder: StudyFolder, stage: ConfirmPlan, verdict: Verdict) -> None:
    content = {"format": _FORMAT, "rounds": _names(stage.rounds(folder)), "verdict": verdict.to_dict()}
    replace_text(_verdict_file(folder), json.dumps(content, indent=1) + "\n")


def _verdict_file(folder: StudyFolder) -> Path:
    return folder.path / "confirm" / "verdict.json"


def _names(rounds: Sequence[Round]) -> list[str]:
    return [one.path.name for one in rounds]


def _slug(title: str) -> str:
    """Make a file name of a policy's title."""
    kept = "".join(char if char.isalnum() or char in ".-" else "_" for char in title)
    return "_".join(part for part in kept.split("_") if part)[:60]
