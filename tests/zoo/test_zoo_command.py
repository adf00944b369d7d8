from __future__ import annotations

import json

import pytest

from automix.cli.app import main
from automix.policy import PolicyDocument

MIXUP, CUTMIX = PolicyDocument.of("mixup", prob=0.7), PolicyDocument.of("cutmix")


@pytest.fixture
def automix(capsys):
    """Runs a command line; returns exit code, output and error output."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(part) for part in arguments])
        return ended.value.code or 0, *capsys.readouterr()

    return run


def test_an_empty_memory_is_said(automix, tmp_path):
    code, out, _ = automix("zoo", "list", "--work", tmp_path)
    assert (code, out.startswith("No study in")) == (0, True)
    assert automix("zoo", "list", "--work", tmp_path, "--json")[1] == "[]\n"


def test_winners_are_listed_with_gain_and_data(automix, work, remember):
    remember("s", [(MIXUP, 0.6), (CUTMIX, 0.71)])
    _, out, _ = automix("zoo", "list", "--work", work)
    assert [line.split()[:2] for line in out.splitlines()[2:]] == [["cutmix", "+21.00"], ["mixup", "p=0.7"]]
    rows = json.loads(automix("zoo", "list", "--work", work, "--json")[1])
    assert (rows[0]["policy"], rows[0]["data"], rows[0]["imported_from"]) == ("cutmix", "flowers", "")
    assert PolicyDocument.from_dict(rows[0]["document"]) == CUTMIX


def test_winners_travel_from_one_work_folder_to_another(automix, work, remember, tmp_path):
    remember("s", [(MIXUP, 0.6), (CUTMIX, 0.7)])
    file, other = tmp_path / "winners.json", tmp_path / "other"
    assert "Policies: 2, on 1 data sets" in automix("zoo", "export", file, "--work", work)[1]
    assert "2 new." in automix("zoo", "import", file, "--work", other)[1]
    assert "0 new, 2 known already." in automix("zoo", "import", file, "--work", other)[1]
    assert json.loads(automix("zoo", "import", file, "--work", work, "--json")[1])["own"] == 2
    assert "winners.json" in automix("zoo", "list", "--work", other)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("zoo", "import", "nothing.json"), "Cannot read the zoo file 'nothing.json': No such file or directory."),
        (("zoo", "export", "x.json"), "Nothing to export"),
    ],
)
def test_a_mistake_is_one_line(automix, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = automix(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_wrong_file_is_one_line(automix, tmp_path):
    (tmp_path / "bad.json").write_text('{"schema": "automix.zoo/1", "entries": []}')
    code, _, err = automix("zoo", "import", tmp_path / "bad.json", "--work", tmp_path / "w")
    assert (code, err) == (2, "automix: error: `data_sets` is missing in bad.json.\n")
