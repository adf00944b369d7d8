"""A small search of real trainings, with nothing replaced: data, plugins, space, workers, MLflow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from automix.search import Ledger, SlotState, StudyFolder
from automix.storage import Store, optuna_storage
from automix.tracking import keys, tracking_uri

pytestmark = pytest.mark.slow

SEARCH = """
import sys
from pathlib import Path
from automix.manager import build_host
from automix.planning import SearchRequest, plan_search
from automix.search import Machine, run_search
work, name = Path(sys.argv[1]), sys.argv[2]
request = SearchRequest(data="digits", preset="smoke", limit=128, epochs=2, trials=5, name=name, device="cpu",
                        work=work, out=work / "out" / name)
plan = plan_search(request, build_host())
result = run_search(plan.config, work=work, host=plan.host, data=plan.data, machine=Machine(n_workers=1, n_cores=1),
                    parameters=list(plan.space.parameters))
print(result.ending.value)
"""


def start(work: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SEARCH, str(work), name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ending(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    return out.strip()


def ledger_of(work: Path, name: str) -> Ledger:
    return Ledger(optuna_storage(StudyFolder(work, name).optuna_file), name)


def outcome(work: Path, name: str) -> list[object]:
    """What must not depend on interruptions: everything but times."""
    return [
        (
            slot.slot,
            slot.proposal.policy,
            slot.state,
            [
                {name: value for name, value in row.items() if "cost" not in name and name != "seconds"}
                for row in slot.curve
            ],
        )
        for slot in ledger_of(work, name).slots().values()
    ]


def test_a_killed_search_ends_as_one_that_nobody_disturbed_and_is_shown_whole(tmp_path):
    process = start(tmp_path, "killed")
    deadline = time.monotonic() + 120
    while not StudyFolder(tmp_path, "killed").slot(1).exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert ending(start(tmp_path, "killed")) == "complete"
    assert ending(start(tmp_path, "calm")) == "complete"
    assert outcome(tmp_path, "killed") == outcome(tmp_path, "calm")

    slots = ledger_of(tmp_path, "killed").slots()
    assert all(slot.state in (SlotState.COMPLETE, SlotState.PRUNED) for slot in slots.values())
    assert not list((tmp_path / "studies").rglob("state.pt"))
    with closing(Store(tmp_path / "automix.db")) as store:
        assert [result.slot for result in store.results("killed")] == list(slots)

    client = MlflowClient(tracking_uri=tracking_uri(tmp_path))
    experiment = client.get_experiment_by_name("digits")
    runs = client.search_runs([experiment.experiment_id], f"tags.`{keys.STUDY}` = 'killed'")
    children = {int(run.data.tags[keys.SLOT]): run for run in runs if keys.SLOT in run.data.tags}
    assert len(runs) == 1 + len(slots)
    for slot, record in slots.items():
        steps = [metric.step for metric in client.get_metric_history(children[slot].info.run_id, keys.VAL_TOP1)]
        assert steps == list(range(1, len(record.curve) + 1))
        assert children[slot].info.status == "FINISHED"
