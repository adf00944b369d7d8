"""Winners from one work folder to another, as a zoo file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from automix.errors import StudyError
from automix.search.folder import replace_text
from automix.storage import Store
from automix.zoo.document import ZooData, ZooDocument, ZooEntry, read_zoo
from automix.zoo.winners import all_winners

__all__ = ["Imported", "export_zoo", "import_zoo"]


@dataclass(frozen=True)
class Imported:
    """What became of the entries of a file.

    Args:
        new: added.
        known: imported before.
        own: from a study of this very work folder, which knows it better.
    """

    new: int
    known: int
    own: int


def export_zoo(store: Store, path: Path) -> ZooDocument:
    """Write every winner to a file, own ones and imported ones, each with where it comes from.

    Raises:
        StudyError: there is none yet.
        StorageError: the file cannot be written.
    """
    winners = all_winners(store)
    if not winners:
        raise StudyError(
            f"Nothing to export: no study in {str(store.path.parent)!r} has found a policy that is better than no "
            "mixing. Run `automix search` first, or name another folder with --work."
        )
    data_sets = {
        winner.entry.data: ZooData(
            content_hash=winner.entry.data, name=winner.data.name, meta_features=winner.data.meta_features
        )
        for winner in winners
    }
    entries = {winner.entry.entry_hash: winner.entry for winner in winners}
    zoo = ZooDocument(schema="automix.zoo/1", data_sets=tuple(data_sets.values()), entries=tuple(entries.values()))
    replace_text(path, zoo.to_json())
    return zoo


def import_zoo(store: Store, path: Path) -> Imported:
    """Add the entries of a file to the memory; importing it again changes nothing.

    A data set is known by the hash of its content, whatever it is called; what is known already stays as it is.

    Raises:
        PolicyError, UnknownNameError: the file is missing or wrong; nothing of it is added.
    """
    zoo = read_zoo(path)
    own_studies = {study.config.get("study_id") for study in store.studies()}
    data_sets = {data.content_hash: data for data in zoo.data_sets}
    theirs = [entry for entry in zoo.entries if entry.study_id not in own_studies]
    n_new = sum(_add(store, entry, data_sets[entry.data], path.name) for entry in theirs)
    return Imported(new=n_new, known=len(theirs) - n_new, own=len(zoo.entries) - len(theirs))


def _add(store: Store, entry: ZooEntry, data: ZooData, source: str) -> bool:
    return store.remember_import(
        entry.entry_hash,
        data_hash=entry.data,
        data_name=data.name,
        meta_features=data.meta_features,
        entry=entry.model_dump(mode="json"),
        source=source,
    )
