"""Files from strangers: what is right comes in once, what is wrong is refused whole and in one line."""

from __future__ import annotations

import json

import pytest

from automix.errors import AutomixError, PolicyError, StorageError, StudyError
from automix.policy import PolicyDocument
from automix.storage import Store
from automix.zoo.document import read_zoo
from automix.zoo.exchange import Imported, export_zoo, import_zoo
from automix.zoo.winners import all_winners

MIXUP, CUTMIX = PolicyDocument.of("mixup", prob=0.7), PolicyDocument.of("cutmix")


@pytest.fixture
def file(store, remember, tmp_path):
    remember("s", [(MIXUP, 0.6), (CUTMIX, 0.7)])
    path = tmp_path / "winners.json"
    export_zoo(store, path)
    return path


@pytest.fixture
def other(tmp_path):
    other = Store(tmp_path / "other" / "automix.db")
    yield other
    other.close()


def entries(store):
    return [winner.entry for winner in all_winners(store)]


def test_what_is_exported_arrives_elsewhere_with_its_provenance(store, other, file):
    assert import_zoo(other, file) == Imported(new=2, known=0, own=0)
    assert entries(other) == entries(store)
    winner = all_winners(other)[0]
    assert (winner.source, winner.data.name, winner.entry.study) == ("winners.json", "flowers", "s")


def test_importing_again_changes_nothing(other, file):
    import_zoo(other, file)
    before = [(row.entry_hash, row.source, row.updated_at) for row in other.imports()]
    assert import_zoo(other, file.rename(file.with_name("again.json"))) == Imported(new=0, known=2, own=0)
    assert [(row.entry_hash, row.source, row.updated_at) for row in other.imports()] == before


def test_own_studies_are_not_taken_back_in(store, file):
    assert import_zoo(store, file) == Imported(new=0, known=0, own=2)
    assert len(all_winners(store)) == 2


def test_imported_winners_are_passed_on_as_they_came(store, other, file, tmp_path):
    import_zoo(other, file)
    export_zoo(other, tmp_path / "second.json")
    passed_on = read_zoo(tmp_path / "second.json").entries
    assert {entry.entry_hash for entry in passed_on} == {entry.entry_hash for entry in entries(store)}


def test_a_data_set_of_the_same_name_is_another_one_and_of_the_same_content_the_same(other, file):
    other.remember_data("a" * 32, name="mine", meta_features={"side": 1.0})
    other.remember_data("b" * 32, name="flowers", meta_features={})
    import_zoo(other, file)
    assert [(data.content_hash[0], data.name) for data in other.data_sets()] == [("b", "flowers"), ("a", "mine")]
    assert all_winners(other)[0].data.meta_features == {"side": 1.0}


def test_nothing_to_export_is_said(other, tmp_path):
    with pytest.raises(StudyError, match="Nothing to export"):
        export_zoo(other, tmp_path / "x.json")


def test_a_place_that_cannot_be_written_is_said(store, file):
    with pytest.raises(StorageError, match=rf"Cannot make the folder {file}: File exists\. Choose another one\."):
        export_zoo(store, file / "below-a-file.json")


def changed(data, path, value):
    *way, last = path
    for part in way:
        data = data[part]
    if value is ...:
        del data[last]
    else:
        data[last] = value


ENTRY = ("entries", 0)
POLICY = (*ENTRY, "policy")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), "automix.zoo/2", "Expected `schema` 'automix.zoo/1' in winners.json but got 'automix.zoo/2'"),
        (("entries",), ..., "`entries` is missing"),
        (("extra",), 1, "Unknown key 'extra'"),
        ((*ENTRY, "stady"), "x", "Unknown key 'stady'.*Did you mean 'study'"),
        ((*ENTRY, "val_top1"), 1.5, "less than or equal to 1 at `entries.0.val_top1`"),
        ((*ENTRY, "val_top1"), 0.1, "Expected `val_top1` above `val_top1_none`"),
        ((*ENTRY, "val_top1"), float("nan"), "Expected numbers below 1e\\+15"),
        (("data_sets", 0, "meta_features"), {"side": 10**400}, "Expected numbers below"),
        ((*POLICY, "branches", 0, "weight"), float("inf"), "Expected numbers below"),
        ((*ENTRY, "epochs"), 0, "greater than or equal to 1"),
        ((*ENTRY, "finding"), "great", "`entries.0.finding`"),
        ((*ENTRY, "data"), "../../etc/passwd", "entries.0.data"),
        ((*ENTRY, "data"), "f" * 32, "among `data_sets`"),
        ((*ENTRY, "study"), "\x1b]0;owned\x07", "Expected printable text"),
        ((*ENTRY, "study"), "x" * 251, "Expected printable text of at most 250"),
        (("data_sets", 0, "meta_features"), {"side": "big"}, "meta_features"),
        (("data_sets", 0, "meta_features"), {"side\n": 1.0}, "Expected printable text"),
        ((*POLICY, "schema"), "automix.policy/9", "policy.schema"),
        ((*POLICY, "branches"), [], "policy.branches"),
        ((*POLICY, "branches", 0, "mixer"), {"name": 7}, "policy.branches.0.mixer"),
        ((*POLICY, "files"), {"../x.py": "0"}, "without files"),
        ((*POLICY, "input"), {"name": "zero_mean", "statistics": {}}, "fitted statistics"),
        ((*POLICY, "verdict"), {"note": "trust me"}, "and remarks"),
        ((*POLICY, "branches", 0, "mixer", "prob"), [[[[[[[[[1]]]]]]]]], "nested deeper"),
    ],
)
def test_a_wrong_file_is_refused_whole_in_one_line(other, file, path, value, message):
    data = json.loads(file.read_text())
    changed(data, path, value)
    file.write_text(json.dumps(data))
    with pytest.raises(AutomixError, match=message) as caught:
        import_zoo(other, file)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert other.imports() == []
    assert other.data_sets() == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff\xfe", b"{" * 100_000, b"[" * 100_000, b'{"schema": 1' + b"0" * 5000 + b"}"]
)
def test_what_is_no_zoo_file_is_refused(file, content):
    file.write_bytes(content)
    with pytest.raises(PolicyError, match=r"winners\.json"):
        read_zoo(file)


def test_a_file_that_is_too_large_is_not_read_to_its_end(file):
    with file.open("ab") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(PolicyError, match="at most 4 MiB"):
        read_zoo(file)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "nothing.json", tmp_path):
        with pytest.raises(PolicyError, match="Cannot read the zoo file"):
            read_zoo(path)
