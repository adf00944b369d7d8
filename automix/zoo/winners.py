"""Winners: what the studies in a work folder found to be better than no mixing, and what was imported."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from automix.policy import PolicyDocument
from automix.search.fidelity import FULL, Fidelity
from automix.search.leaderboard import NO_MIXING
from automix.search.ledger import SlotState
from automix.storage import DataSetRecord, ResultRecord, Store, StudyRecord
from automix.tracking.keys import VAL_TOP1
from automix.zoo.document import Finding, ZooEntry, portable

__all__ = ["Winner", "all_winners", "mixers_of", "own_winners"]

_PER_STUDY = 5
# A winner that lost on fresh seeds is none; one that was not tried may be better than one that showed no difference.
_TRUST: dict[Finding, int] = {"helps": 0, "": 1, "no_difference": 2}


@dataclass(frozen=True)
class Winner:
    """An entry of the zoo, with its data set.

    Args:
        entry: policy, scores and provenance.
        data: the data set.
        source: name of the file that it was imported from; empty for a study of this work folder.
    """

    entry: ZooEntry
    data: DataSetRecord
    source: str = ""

    @property
    def rank(self) -> tuple[int, bool, float]:
        """Sorts the winners on one data set: by what fresh seeds said, then whole trainings before shares, then gain.

        Fresh seeds always have the whole training.
        """
        is_small = not self.entry.finding and self.entry.fidelity != str(FULL)
        return _TRUST[self.entry.finding], is_small, -self.entry.gain


def all_winners(store: Store) -> list[Winner]:
    """Return every winner known, own ones first, newest study first."""
    data_sets = {data.content_hash: data for data in store.data_sets()}
    imported = (
        Winner(ZooEntry.model_validate(row.entry), data_sets[row.data_hash], row.source) for row in store.imports()
    )
    return [*own_winners(store), *(winner for winner in imported if winner.entry.finding in _TRUST)]


def own_winners(store: Store) -> list[Winner]:
    """Return the winners of the work folder's studies: of each the best few that differ in their mixers."""
    data_sets = {data.content_hash: data for data in store.data_sets()}
    found: list[Winner] = []
    for study in store.studies():
        winners = [Winner(entry, data_sets[study.data_hash]) for entry in _entries(store, study)]
        # Proposals gather around the best one; of those that mix alike the best says enough.
        by_mixers: dict[tuple[str, ...], Winner] = {}
        for winner in sorted(winners, key=lambda winner: winner.rank):
            by_mixers.setdefault(mixers_of(winner.entry.policy), winner)
        found += list(by_mixers.values())[:_PER_STUDY]
    return found


def mixers_of(policy: PolicyDocument) -> tuple[str, ...]:
    """Name a policy's mixers, sorted."""
    return tuple(sorted(branch.mixer.name for branch in policy.branches))


def _entries(store: Store, study: StudyRecord) -> Iterator[ZooEntry]:
    results = {result.slot: result for result in store.results(study.name)}
    none = _score(results.get(_slot_of_none(study)))
    if none is None:
        return
    for result in results.values():
        score, record = _score(result), store.policy(result.policy_key)
        finding = study.verdict.get("kind", "") if study.verdict.get("policy_key") == result.policy_key else ""
        if score is None or score <= none or record is None or finding not in _TRUST:
            continue
        policy = PolicyDocument.from_dict(record.document)
        if policy.is_mixing and not policy.files:
            yield ZooEntry(
                data=study.data_hash,
                policy=portable(policy),
                val_top1=score,
                val_top1_none=none,
                epochs=result.epochs,
                model=study.config["settings"]["model"],
                study=study.name,
                study_id=study.config["study_id"],
                finding=finding,
                fidelity=str(Fidelity.of(study.config.get("fidelity", asdict(FULL)))),
                automix=study.config["versions"].get("automix", ""),
            )


def _slot_of_none(study: StudyRecord) -> int:
    """Return the slot of the arm without mixing; -1, which no slot has, where there is none."""
    names = [arm["name"] for arm in study.config.get("arms", ())]
    return names.index(NO_MIXING) if NO_MIXING in names else -1


def _score(result: ResultRecord | None) -> float | None:
    """Return what a slot reached; None where it did not train to the end or diverged."""
    if result is None or result.status != SlotState.COMPLETE.value:
        return None
    score = float(result.metrics.get(VAL_TOP1, math.nan))
    return score if math.isfinite(score) else None
