"""Winners of earlier studies as reference arms of a new one: ``memory-1``, ``memory-2`` ..."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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
        arms: at most `MAX_ARMS`.
        notes: where each comes from; which winners cannot take part, and why.
    """

    arms: tuple[Arm, ...] = ()
    notes: tuple[str, ...] = ()


def remembered_arms(
    folder: StudyFolder,
    fingerprint: Fingerprint,
    *,
    fit: Callable[[PolicyDocument], PolicyDocument],
    taken: Collection[str],
    room: int,
    with_own: bool = True,
) -> Remembered:
    """Choose what won on the nearest data sets.

    A study that was made already keeps the arms it was made with, however the memory has grown.

    Args:
        folder: of the study.
        fingerprint: of its data.
        fit: writes a policy out in full; raises AutomixError where it cannot work with the data or the model.
        taken: keys of the policies that are reference arms anyway.
        room: slots that may be given to it.
        with_own: whether earlier studies of the very same data count.

    Raises:
        StorageError: the database cannot be used.
        StudyError: the study's file is damaged.
    """
    if folder.config_file.exists():
        arms = tuple(arm for arm in load_config(folder).arms if arm.name.startswith(_PREFIX))
        return Remembered(arms, tuple(_origin(arm, fingerprint) for arm in arms))
    candidates = _candidates(folder.work / "automix.db", fingerprint, with_own)
    arms, notes = _chosen(candidates, fit, set(taken), min(room, MAX_ARMS))
    return Remembered(arms, (*(_origin(arm, fingerprint) for arm in arms), *notes))


def _candidates(database: Path, fingerprint: Fingerprint, with_own: bool) -> Sequence[Recollection]:
    if not database.exists():
        return ()
    store = Store(database)
    try:
        return recall(all_winners(store), fingerprint.content_hash, fingerprint.meta, with_own=with_own)
    finally:
        store.close()


def _chosen(
    candidates: Sequence[Recollection], fit: Callable[[PolicyDocument], PolicyDocument], taken: set[str], most: int
) -> tuple[tuple[Arm, ...], list[str]]:
    """Return arms, and why others are none."""
    arms: list[Arm] = []
    notes: list[str] = []
    for candidate in candidates:
        if len(arms) >= most:
            break
        entry = candidate.winner.entry
        try:
            policy = fit(entry.policy)
        except AutomixError as err:
            place = f"{candidate.winner.data.name!r}"
            notes.append(f"{entry.policy.title()}, which won on {place}, cannot take part: {err}")
            continue
        if policy.key() not in taken:
            taken.add(policy.key())
            arms.append(_arm(f"{_PREFIX}{len(arms) + 1}", policy, candidate))
    return tuple(arms), notes


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
