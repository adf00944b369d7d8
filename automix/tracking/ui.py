"""MLflow's own interface, started on the store of a work folder with the newest study's comparison open."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from automix.errors import StorageError
from automix.storage import sqlite_path
from automix.tracking import keys
from automix.tracking.client import artifact_root, open_client, quiet_environment, tracking_uri
from automix.tracking.views import view_key

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["DEFAULT_PORT", "compare_url", "free_port", "run_ui", "serving", "study_url", "ui_command"]

DEFAULT_PORT = 5000
_START_LIMIT_S = 180.0
_STOP_LIMIT_S = 10.0


def ui_command(work: Path, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> list[str]:
    """Return the command line that serves a work folder's store.

    Raises:
        StorageError: no study was tracked in this folder yet.
    """
    uri = tracking_uri(work)
    path = sqlite_path(uri)
    if path is None or not path.exists():
        raise StorageError(
            f"Expected an MLflow store in the work folder {str(work)!r} but there is none yet. "
            f"Run `automix search` first, or name another folder with --work."
        )
    store = ["--backend-store-uri", uri, "--default-artifact-root", artifact_root(work).as_uri()]
    return [sys.executable, "-m", "mlflow", "server", *store, "--host", host, "--port", str(port), "--workers", "1"]


def run_ui(
    work: Path,
    tell: Callable[[str], None],
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    study: str | None = None,
) -> None:
    """Serve until interrupted; ``tell`` gets one line at a time.

    Args:
        work: the work folder.
        tell: prints a line.
        host: interface to listen on.
        port: the port to prefer; where it is taken a free one is used.
        study: the study to open; the newest by default.

    Raises:
        StorageError: there is no store yet, no such study, or the server did not start.
    """
    tell("Starting MLflow's interface, which takes 5 to 30 s ...")
    try:
        with serving(work, host=host, port=port) as (base, process):
            tell(f"Open {study_url(base, work, study)}")
            tell("Ctrl-C stops it.")
            process.wait()
    except KeyboardInterrupt:
        tell("Stopped.")


@contextmanager
def serving(
    work: Path, *, host: str = "127.0.0.1", port: int = DEFAULT_PORT
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve a work folder's store while the block runs.

    Yields:
        The address ("http://127.0.0.1:5000") and the server's process, once it answers.

    Raises:
        StorageError: as `ui_command`, or the server ended or stayed silent; its output is in `mlflow-ui.log`.
    """
    port = free_port(host, port)
    command = ui_command(work, host, port)
    base = f"http://{host}:{port}"
    log = work / "mlflow-ui.log"
    with log.open("wb") as output:
        # A session of its own: MLflow starts further processes and does not pass a signal on to them.
        process = subprocess.Popen(  # noqa: S603  our own interpreter
            command, env=quiet_environment(), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_until_it_answers(base, process, log)
        yield base, process
    finally:
        _stop(process)


def study_url(base: str, work: Path, study: str | None = None) -> str:
    """Return the link to a study's prepared comparison, for the newest study by default.

    Raises:
        StorageError: the store has no such study.
    """
    run = _parent_of(work, study)
    name = run.data.tags[keys.STUDY]
    # The view alone chooses neither charts over the table nor the menu for training over that for language models.
    query = f"viewStateShareKey={view_key(name)}&compareRunsMode=CHART&workflowType=machine_learning"
    return f"{base}/#/experiments/{run.info.experiment_id}/runs?{query}"


def compare_url(base: str, experiment_id: str, run_ids: Sequence[str]) -> str:
    """Return the link to MLflow's page that compares these runs side by side.

    Example:
        >>> compare_url("http://127.0.0.1:5000", "1", ["a", "b"])
        'http://127.0.0.1:5000/#/compare-runs?runs=%5B%22a%22%2C%22b%22%5D&experiments=%5B%221%22%5D'
    """
    runs, experiments = (quote(json.dumps(ids, separators=(",", ":"))) for ids in (list(run_ids), [experiment_id]))
    return f"{base}/#/compare-runs?runs={runs}&experiments={experiments}"


def free_port(host: str, preferred: int) -> int:
    """Return ``preferred`` where it is free, and otherwise one that the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # A server that has just stopped leaves its port waiting; that one can be used again.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StorageError(f"Expected a network interface to listen on but {host!r} is none of this machine's. Use --host.")


def _parent_of(work: Path, study: str | None) -> Run:
    client = open_client(tracking_uri(work))
    experiments = [found.experiment_id for found in client.search_experiments()]
    which = f"tags.`{keys.KIND}` = '{keys.KIND_STUDY}'"
    parents = client.search_runs(experiments, which, order_by=["attributes.start_time DESC"])
    for run in parents:
        if study in (None, run.data.tags[keys.STUDY]):
            return run
    known = ", ".join(sorted(run.data.tags[keys.STUDY] for run in parents)) or "none"
    wanted = "a study" if study is None else f"the study {study!r}"
    raise StorageError(f"Expected {wanted} in the MLflow store of {str(work)!r}. Known there: {known}.")


def _wait_until_it_answers(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < _START_LIMIT_S:
        if process.poll() is not None:
            last = (log.read_text(errors="replace").strip() or "no output").splitlines()[-1]
            raise StorageError(f"MLflow's server ended at once: {last} (all of it in {log}).")
        try:
            with urllib.request.urlopen(f"{base}/health", timeout=5):  # noqa: S310  always http
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise StorageError(f"MLflow's server did not answer within {_START_LIMIT_S:.0f} s; its output is in {log}.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):  # the second for children that outlive their parent
        try:
            os.killpg(process.pid, how)
            process.wait(_STOP_LIMIT_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
