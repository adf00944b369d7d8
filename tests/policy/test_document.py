"""Policy documents: reading, writing, equality and complaints."""

from __future__ import annotations

from pathlib import Path

import pytest

from automix.errors import ArtifactError, PolicyError, UnknownNameError
from automix.policy import Branch, ComponentSpec, PolicyDocument, load_document, read_file, save_document

TWO_BRANCHES = """\
schema: automix.policy/1
branches:
  - weight: 1.0
    mixer: {name: cutmix, prob: 0.8}
    ratio: {name: beta, alpha: 7e-1}
  - weight: 3.0
    mixer: mixup
label_smoothing: 1e-1
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path


def test_document_survives_a_round_trip_through_a_file(tmp_path: Path) -> None:
    document = load_document(write(tmp_path, TWO_BRANCHES))
    copy = tmp_path / "copy.yaml"
    save_document(document, copy)
    assert load_document(copy) == document
    assert document.branches[0].ratio == ComponentSpec(name="beta", params={"alpha": 0.7})


def test_exponents_are_numbers_without_a_dot(tmp_path: Path) -> None:
    assert load_document(write(tmp_path, TWO_BRANCHES)).label_smoothing == 0.1


def test_key_ignores_order_of_branches_scale_of_weights_and_what_is_only_told() -> None:
    cutmix, mixup = (Branch(weight=w, mixer=ComponentSpec(name=n)) for n, w in (("cutmix", 1.0), ("mixup", 3.0)))
    first = PolicyDocument(branches=(cutmix, mixup))
    scaled = (mixup.model_copy(update={"weight": 6.0}), cutmix.model_copy(update={"weight": 2.0}))
    second = PolicyDocument(branches=scaled, found_by={"study": "x"}, name="winner")
    assert first.key() == second.key()


def test_key_tells_different_policies_apart() -> None:
    assert PolicyDocument.of("cutmix", prob=0.5).key() != PolicyDocument.of("cutmix", prob=0.6).key()


@pytest.mark.parametrize(
    ("text", "kind", "parts"),
    [
        (
            "schema: automix.policy/1\nbranches:\n  - mixer: mixup\n    raito: beta\n",
            UnknownNameError,
            ["raito", "line 4", "ratio"],
        ),
        ("schema: automix.policy/1\nbranchs: []\n", UnknownNameError, ["branchs", "line 2", "branches"]),
        ("schema: automix.policy/1\nname: x\n", PolicyError, ["branches", "missing"]),
        (
            "schema: automix.policy/1\nbranches:\n  - weight: -1\n    mixer: mixup\n",
            PolicyError,
            ["weight", "line 3", "-1"],
        ),
        (
            "schema: automix.policy/1\nschedule: {start: 0.9, stop: 0.1}\nbranches: [{mixer: mixup}]\n",
            PolicyError,
            ["start", "stop", "line 2"],
        ),
        ("schema: automix.policy/9\nbranches: [{mixer: mixup}]\n", PolicyError, ["line 1", "automix.policy/1"]),
        ("branches: [{mixer: mixup}]\n", PolicyError, ["schema"]),
        ("a: &x 1\nb: *x\n", PolicyError, ["Aliases", "line 2"]),
        ("a: [1\n", PolicyError, ["line 2", "not valid YAML"]),
        ("- 1\n", PolicyError, ["list", "CommentedSeq"][1:]),
    ],
)
def test_bad_documents_are_told_with_their_line(tmp_path: Path, text: str, kind: type, parts: list[str]) -> None:
    with pytest.raises(kind) as caught:
        load_document(write(tmp_path, text))
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.yaml"):
        load_document(tmp_path / "nowhere.yaml")


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="1 MiB"):
        load_document(write(tmp_path, "#" * (1 << 20) + "\nschema: automix.policy/1\n"))


def test_files_beside_a_policy_are_checked_by_hash(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    saved = save_document(PolicyDocument.of("mixup"), path, {"net/weights.bin": b"abc"})
    assert read_file(load_document(path), path, "net/weights.bin") == b"abc"
    (tmp_path / "policy.d/net/weights.bin").write_bytes(b"abd")
    with pytest.raises(ArtifactError, match="sha256"):
        read_file(saved, path, "net/weights.bin")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "", "c:\\x", "a\\b"])
def test_no_file_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    document = PolicyDocument.of("mixup").model_copy(update={"files": {name: "0" * 64}})
    with pytest.raises(PolicyError, match=r"policy\.d"):
        read_file(document, tmp_path / "policy.yaml", name)


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d/link").symlink_to(tmp_path / "secret")
    document = PolicyDocument.of("mixup").model_copy(update={"files": {"link": "0" * 64}})
    with pytest.raises(PolicyError, match="leads out"):
        read_file(document, tmp_path / "policy.yaml", "link")
