"""Winners of earlier studies as reference arms of a new one: ``memory-1``, ``memory-2`` ...

A winner that is a reference arm anyway is not added again; it is tried sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automix.errors import AutomixError
from automix.policy import PolicyDocument
from automix.search.config import Arm, load_config
from automix.search.folder import StudyFolder
from automix.storage import Store
from automix.zoo.recall import Recollection, recall
from automix.zoo.winners import all_winners

if TYPE_CHECKING:
    from automix.data import Fingerprint

__all__ = ["MAX_ARMS", "Remembered", "remembered_arms"]

MAX_ARMS = 3
_PREFIX = "memory-"


@dataclass(frozen=True)
class Remembered:
    """What the memory adds to a study.

    Args:
        arms: what to try right after no mixing, in this order: at most `MAX_ARMS` new arms, and references among them.
        notes: where each comes from; which winners cannot take part, and why.
    """

    arms: tuple[Arm, ...] = ()
    notes: tuple[str, ...] = ()


def remembered_arms(
    folder: StudyFolder,
    fingerprint: Fingerprint,
    *,
    fit: Callable[[PolicyDocument], PolicyDocument],
    references: Sequence[Arm],
    room: int,
    with_own: bool = True,
) -> Remembered:
    """Choose what won on the nearest data sets.

    A study that was made already keeps the arms it was made with, however the memory has grown.

    Args:
        folder: of the study.
        fingerprint: of its data.
        fit: writes a policy out in full; raises AutomixError where it cannot work with the data or the model.
        references: arms that take part anyway.
        room: slots that may be given to it.
        with_own: whether earlier studies of the very same data count.

    Raises:
        StorageError: the database cannot be used.
        StudyError: the study's file is damaged.
    """
    notes: list[str] = []
    if folder.config_file.exists():
        arms = _as_stored(load_config(folder).arms, references)
    else:
        candidates = _candidates(folder.work / "automix.db", fingerprint, with_own)
        arms, notes = _chosen(candidates, fit, references, min(room, MAX_ARMS))
    origins = (_origin(arm, fingerprint) for arm in arms if arm.name.startswith(_PREFIX))
    return Remembered(tuple(arms), (*origins, *notes))


def _as_stored(stored: Sequence[Arm], references: Sequence[Arm]) -> list[Arm]:
    """Return the arms of a study that was made already, in its order: remembered ones as stored, others as they are."""
    now = {arm.name: arm for arm in references}
    return [now.get(arm.name, arm) for arm in stored if arm.name in now or arm.name.startswith(_PREFIX)]


def _candidates(database: Path, fingerprint: Fingerprint, with_own: bool) -> Sequence[Recollection]:
    if not database.exists():
        return ()
    store = Store(database)
    try:
        return recall(all_winners(store), fingerprint.content_hash, fingerprint.meta, with_own=with_own)
    finally:
        store.close()


def _chosen(
    candidates: Sequence[Recollection],
    fit: Callable[[PolicyDocument], PolicyDocument],
    references: Sequence[Arm],
    most: int,
) -> tuple[list[Arm], list[str]]:
    """Return arms, and why others are none."""
    known = {PolicyDocument.from_dict(arm.policy).key(): arm for arm in references}
    arms: list[Arm] = []
    notes: list[str] = []
    n_new = 0
    for candidate in candidates:
        entry = candidate.winner.entry
        try:
            policy = fit(entry.policy)
        except AutomixError as err:
            place = f"{candidate.winner.data.name!r}"
            notes.append(f"{entry.policy.title()}, which won on {place}, cannot take part: {err}")
            continue
        if policy.key() not in known:
            if n_new >= most:
                break
            n_new += 1
            known[policy.key()] = _arm(f"{_PREFIX}{n_new}", policy, candidate)
        if known[policy.key()] not in arms:
            arms.append(known[policy.key()])
    return arms, notes


def _arm(name: str, policy: PolicyDocument, candidate: Recollection) -> Arm:
    entry = candidate.winner.entry
    found_by = {
        "data": candidate.winner.data.name,
        "content_hash": entry.data,
        "distance": round(candidate.distance, 3),
        "study": entry.study,
        "study_id": entry.study_id,
        "model": entry.model,
        "epochs": entry.epochs,
        "gain": round(entry.gain, 6),
        "finding": entry.finding,
        "imported_from": candidate.winner.source,
    }
    return Arm(name=name, policy=policy.model_copy(update={"found_by": found_by}).to_dict())


def _origin(arm: Arm, fingerprint: Fingerprint) -> str:
    """Say where an arm comes from; it is kept with the policy, so that a resumed study can say it too."""
    policy = PolicyDocument.from_dict(arm.policy)
    found = policy.found_by
    is_same = found["content_hash"] == fingerprint.content_hash
    near = "the very same images" if is_same else f"distance {found['distance']:.2f}"
    finding = f", verdict {found['finding']!r}" if found["finding"] else ""
    source = f", imported from {found['imported_from']}" if found["imported_from"] else ""
    return (
        f"{arm.name}: {policy.title()}, {100 * found['gain']:+.2f} points to no mixing on {found['data']!r} "
        f"({near}; {found['model']}, {found['epochs']} epochs{finding}{source})."
    )
