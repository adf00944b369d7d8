"""Finding and reading space files, and what is said where one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from automix.errors import SpaceError
from automix.spaces import list_spaces, load_space
from automix.spaces import loader as loader_module

MINIMAL = "schema: automix.space/1\nmixers: [none, mixup]\n"


def _package_at(monkeypatch: pytest.MonkeyPatch, package: Path) -> None:
    package.mkdir(parents=True)
    monkeypatch.setattr(loader_module, "files", lambda name: package)


def _write(folder: Path, text: str = MINIMAL, name: str = "mine.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_the_shipped_spaces_are_found_in_this_checkout() -> None:
    assert {"default", "small", "cnn", "vit"} <= set(list_spaces())


def test_spaces_inside_the_package_are_found_as_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package_at(monkeypatch, tmp_path / "site-packages" / "automix")
    _write(tmp_path / "site-packages" / "automix" / "search_spaces", name="inside.yaml")
    _write(tmp_path / "site-packages" / "search_spaces", name="beside.yaml")
    assert list_spaces() == ["inside"]
    assert load_space("inside").is_shipped


def test_spaces_beside_the_package_are_found_as_in_a_source_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package_at(monkeypatch, tmp_path / "clone" / "automix")
    _write(tmp_path / "clone" / "search_spaces", name="beside.yaml")
    assert list_spaces() == ["beside"]


def test_an_incomplete_installation_names_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package_at(monkeypatch, tmp_path / "site" / "automix")
    with pytest.raises(SpaceError) as err:
        list_spaces()
    assert str(tmp_path / "site" / "automix" / "search_spaces") in str(err.value)
    assert str(tmp_path / "site" / "search_spaces") in str(err.value)


def test_a_file_of_ones_own_is_read_and_not_taken_for_a_shipped_one(tmp_path: Path) -> None:
    document = load_space(_write(tmp_path))
    assert (document.name, document.is_shipped, list(document.mixers)) == ("mine", False, ["none", "mixup"])


def test_a_misspelt_space_gets_the_nearest_name() -> None:
    with pytest.raises(SpaceError, match=r"Unknown search space 'defualt'. Did you mean 'default'\?"):
        load_space("defualt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"no file .*nowhere\.yaml"):
        load_space(tmp_path / "nowhere.yaml")


def test_numbers_are_read_as_yaml_1_2_reads_them(tmp_path: Path) -> None:
    text = "schema: automix.space/1\nmixers:\n  mixup:\n    prob: [1e-4, 5E-1]\n    variant: no\n"
    assert load_space(_write(tmp_path, text)).mixers["mixup"].params == {"prob": [0.0001, 0.5], "variant": "no"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "branch: 2\n", r"Unknown key 'branch' in mine\.yaml line 3\. Did you mean 'branches'\?"),
        ("mixers: all\n", r"`schema` is missing in mine\.yaml"),
        ("schema: automix.space/2\nmixers: all\n", r"automix\.space/1.*mine\.yaml line 1"),
        ("schema: automix.space/1\nmixers: 3\n", r"a list of names.*mine\.yaml line 2"),
        ("schema: automix.space/1\nmixers: []\n", r"a list of names.*mine\.yaml line 2"),
        (MINIMAL + "branches: 3\n", r"`branches` in mine\.yaml line 3"),
        (MINIMAL + "schedule: {begin: 0.1}\n", r"Unknown key 'begin' in mine\.yaml line 3.*start, stop"),
        (MINIMAL + "defaults:\n  ratios: beta\n", r"Unknown key 'ratios' in mine\.yaml line 4.*'ratio'"),
        (MINIMAL + "mixers: all\n", r"mine\.yaml line 3 is not valid YAML: .*duplicate key"),
        (MINIMAL + "exclude: [a\n", r"mine\.yaml line \d is not valid YAML"),
        ("- 1\n", "Expected mine.yaml to hold"),
    ],
)
def test_a_wrong_file_is_refused_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        load_space(_write(tmp_path, text))
