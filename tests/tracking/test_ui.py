from __future__ import annotations

import json
import socket
import urllib.request

import pytest

from automix.errors import StorageError
from automix.tracking import keys
from automix.tracking.ui import compare_url, free_port, run_ui, serving, study_url, ui_command
from automix.tracking.views import view_key


def test_without_a_store_the_command_says_what_to_do(tmp_path):
    with pytest.raises(StorageError, match=r"no.*yet.*automix search"):
        ui_command(tmp_path)


def test_a_taken_port_is_replaced_by_a_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) != port
    assert free_port("127.0.0.1", port) == port


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(StorageError, match=r"192\.0\.2\.1.*--host"):
        free_port("192.0.2.1", 5000)


def test_link_opens_the_newest_study_or_the_one_named(work, tracker):
    for study in ("first", "second"):
        tracker.parent_run("digits", study)
    base = "http://127.0.0.1:5000"
    assert view_key("second") in study_url(base, work)
    assert view_key("first") in study_url(base, work, "first")
    with pytest.raises(StorageError, match=r"'third'.*first, second"):
        study_url(base, work, "third")


def test_store_without_a_study_is_an_error(work):
    with pytest.raises(StorageError, match="Known there: none"):
        study_url("http://127.0.0.1:5000", work)


def test_server_that_ends_at_once_is_reported_with_its_last_line(work, monkeypatch):
    command = ["python", "-c", "import sys; sys.exit('no such option')"]
    monkeypatch.setattr("automix.tracking.ui.ui_command", lambda *args: command)
    with pytest.raises(StorageError, match=r"no such option.*mlflow-ui\.log"):
        run_ui(work, lambda line: None)


def test_ctrl_c_while_the_server_starts_stops_it_quietly(work, monkeypatch):
    def interrupt(base, process, log):
        started.append(process)
        raise KeyboardInterrupt

    started = []
    said: list[str] = []
    monkeypatch.setattr("automix.tracking.ui._wait_until_it_answers", interrupt)
    run_ui(work, said.append)
    assert said[-1] == "Stopped."
    assert started[0].poll() is not None


@pytest.mark.slow
def test_served_store_answers_and_is_gone_afterwards(work, tracker):
    parent = tracker.parent_run("digits", "quick")
    runs = [tracker.slot_run(parent, slot, f"none {slot}", {"mixer": "none"}) for slot in range(2)]
    tracker.text(runs[0], keys.POLICY_FILE, "schema: automix.policy/1\n")
    tracker.prepare_view("digits", "quick", ["mixer", "alpha.cutmix"])
    with serving(work) as (base, process):
        page = urllib.request.urlopen(study_url(base, work), timeout=30).read()
        assert b"<html" in page
        experiment = tracker.experiment("digits")
        query = json.dumps({"experiment_ids": [experiment], "filter": "tags.`automix.kind` = 'slot'"}).encode()
        request = urllib.request.Request(
            f"{base}/api/2.0/mlflow/runs/search", query, {"Content-Type": "application/json"}
        )
        found = json.loads(urllib.request.urlopen(request, timeout=30).read())["runs"]
        assert {run["info"]["run_id"] for run in found} == set(runs)
        file = urllib.request.urlopen(f"{base}/get-artifact?path=policy.yaml&run_uuid={runs[0]}", timeout=30).read()
        assert file == b"schema: automix.policy/1\n"
        assert compare_url(base, str(experiment), [str(run) for run in runs]).startswith(f"{base}/#/compare-runs?runs=")
    assert process.poll() is not None
    port = int(base.rpartition(":")[2])
    assert free_port("127.0.0.1", port) == port
