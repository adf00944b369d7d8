"""A whole search from the command line; one run shared by the tests that only look at it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import automix

SEARCH = ("search", "--data", "digits", "--limit", "100", "--preset", "smoke", "--device", "cpu", "--epochs", "2")
SHORT = (*SEARCH, "--trials", "5", "--workers", "1", "--confirm", "0")
HEAVY = ("torch", "torchvision", "timm", "mlflow", "matplotlib", "sklearn")

pytestmark = pytest.mark.slow


def start(arguments: Sequence[object], **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "automix", *map(str, arguments)]
    values = {name: value for name, value in os.environ.items() if name not in ("AUTOMIX_WORK", "COLUMNS")}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**values, **environment}
    )


def run(*arguments: object, code: int = 0, **environment: str) -> tuple[str, str]:
    process = start(arguments, **environment)
    out, err = process.communicate(timeout=400)
    assert process.returncode == code, err
    return out, err


def one_line(err: str) -> str:
    assert err.count("\n") == 1, err
    assert err.startswith("automix: error: ")
    return err


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A finished search: its work folder and its results."""
    base = tmp_path_factory.mktemp("finished")
    work, out = base / "work", base / "out"
    text, _ = run(*SHORT, "--work", work, "--out", out)
    (base / "printed.txt").write_text(text)
    return work, out


@pytest.fixture
def again(folders: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the finished search that a test may change."""
    work, out = folders
    shutil.copytree(work, tmp_path / "work")
    shutil.copytree(out, tmp_path / "out")
    return tmp_path / "work", tmp_path / "out"


def test_results_lie_where_asked_and_the_policy_loads(folders: tuple[Path, Path]) -> None:
    _, out = folders
    names = {path.name for path in out.iterdir()}
    assert names >= {"policy.yaml", "leaderboard.csv", "report.html", "contact_sheet.png", "model.safetensors"}
    with (out / "leaderboard.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 5
    mix = automix.load_policy(out / "policy.yaml", num_classes=10, normalization=((0.3,), (0.4,)))
    assert mix.document.found_by["data"] == "digits"


def test_run_prints_plan_lines_ranking_and_where_things_lie(folders: tuple[Path, Path]) -> None:
    text = (folders[0].parent / "printed.txt").read_text()
    for words in ("Data ", "100 train", "Study ", "5 trials", "[5/5] slot", "to none", "report.html", "policy.yaml"):
        assert words in text
    assert text.count("[1/5]") == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("command", ["status", "leaderboard"])
def test_a_second_terminal_needs_no_torch(folders: tuple[Path, Path], command: str) -> None:
    code = (
        "import sys\nfrom automix.cli import main\n"
        f"try: main([{command!r}, '--json', '--work', {str(folders[0])!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
    assert json.loads(done.stdout)


def test_status_says_what_is_done_and_what_leads(folders: tuple[Path, Path]) -> None:
    out, _ = run("status", "--work", folders[0], COLUMNS="80")
    assert "(done): 5 of 5 trials" in out
    assert max(map(len, out.splitlines()[:-1])) <= 80
    state = json.loads(run("status", "--work", folders[0], "--json")[0])
    assert (state["trials"], state["settled"], state["is_running"]) == (5, 5, False)


def test_leaderboard_is_that_of_the_file(folders: tuple[Path, Path]) -> None:
    rows = json.loads(run("leaderboard", "--work", folders[0], "--json")[0])
    with (folders[1] / "leaderboard.csv").open(newline="") as file:
        assert [row["slot"] for row in rows] == [int(row["slot"]) for row in csv.DictReader(file)]


def test_unknown_study_is_named_with_those_there_are(folders: tuple[Path, Path]) -> None:
    assert "digits-" in one_line(run("status", "--work", folders[0], "--name", "nope", code=2)[1])


def test_same_command_trains_nothing_again_and_prints_json_alone(again: tuple[Path, Path]) -> None:
    work, out = again
    before = json.loads(run("leaderboard", "--work", work, "--json")[0])
    result = json.loads(run(*SHORT, "--work", work, "--out", out, "--json")[0])
    assert result["ending"] == "complete"
    assert [row["val/top1"] for row in result["leaderboard"]] == [row["metrics"]["val/top1"] for row in before]
    assert Path(result["files"]["policy"]) == out / "policy.yaml"


def test_more_trials_extend_the_study(again: tuple[Path, Path]) -> None:
    work, out = again
    text, _ = run(*SHORT, "--trials", "6", "--work", work, "--out", out)
    assert "going on: 5 of 6 trials are done" in text
    assert len(json.loads(run("leaderboard", "--work", work, "--json")[0])) == 6


def test_results_of_another_study_are_not_written_over(again: tuple[Path, Path]) -> None:
    work, out = again
    before = (out / "policy.yaml").read_bytes()
    _, err = run(*SHORT, "--seed", "3", "--work", work, "--out", out, code=2)
    assert "results of another study" in one_line(err)
    assert "--out" in err
    assert (out / "policy.yaml").read_bytes() == before


def test_study_with_other_settings_is_refused_and_kept(again: tuple[Path, Path]) -> None:
    work, out = again
    name = json.loads(run("status", "--work", work, "--json")[0])["study"]
    _, err = run(*SHORT, "--name", name, "--lr", "0.1", "--work", work, "--out", out, code=2)
    assert "`lr`" in one_line(err)
    assert len(json.loads(run("leaderboard", "--work", work, "--json")[0])) == 5


def test_interrupted_search_says_how_to_go_on_and_a_second_start_meanwhile_is_refused(tmp_path: Path) -> None:
    arguments = (*SEARCH, "--epochs", "4000", "--confirm", "0", "--workers", "1", "--work", tmp_path / "work")
    arguments = (*arguments, "--out", tmp_path / "out")
    running = start(arguments)
    try:
        deadline = time.monotonic() + 240
        state: dict[str, object] = {}
        while time.monotonic() < deadline and not state.get("running"):
            time.sleep(1)
            if list((tmp_path / "work").glob("studies/*/slots/0/lock")):
                state = json.loads(run("status", "--work", tmp_path / "work", "--json")[0])
        assert state["is_running"]
        assert "is running already" in one_line(run(*arguments, code=2)[1])
    finally:
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=240)
    assert running.returncode == 130
    assert "Stopping after the epochs in progress" in out
    assert err.splitlines()[-1] == "automix: interrupted. The same command goes on from what is saved."


def test_plugin_that_raises_in_each_hook_is_named_and_ends_nothing(tmp_path: Path) -> None:
    from automix import hookspecs

    hooks = [name for name in vars(hookspecs) if name.startswith("automix_")]
    lines = ["from automix.hookspecs import hookimpl", "automix_api = '1'"]
    for hook in hooks:
        argument = "register" if "register" in hook else "event"
        lines += ["@hookimpl", f"def {hook}({argument}):", f"    raise ValueError('{hook} is broken')"]
    site = tmp_path / "site"
    info = site / "bad_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "bad_plugin.py").write_text("\n".join(lines) + "\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[automix]\nbad_plugin = bad_plugin\n")
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    arguments = (*SHORT, "--epochs", "1", "--trials", "4", "--work", tmp_path / "work", "--out", tmp_path / "out")
    out, err = run(*arguments, PYTHONPATH=path)
    assert "4 trials" in out
    assert (tmp_path / "out" / "policy.yaml").exists()
    logs = "".join(log.read_text() for log in (tmp_path / "work").glob("studies/*/worker-*.log"))
    listed, problems = run("methods", "list", PYTHONPATH=path)
    told = err + logs + problems
    # No trial failed, so nobody was told of that.
    assert [hook for hook in hooks if hook not in told and hook != "automix_trial_failed"] == []
    assert "cutmix" in listed
    assert "Traceback" not in err
    assert "bad_plugin" in err
