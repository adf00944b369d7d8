"""MLflow behind one small class.

MLflow shows what happened; Optuna's storage and the checkpoints are the truth. So a call here may fail, and a trial
goes on: what is missing can be told again with `Tracker.sync_slot`. Runs are addressed by explicit ids through
MlflowClient (no process-wide "active run"), and only what the slim client can do is used: a worker needs no pandas.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automix.errors import StorageError
from automix.tracking import client as store
from automix.tracking import keys
from automix.tracking.views import compare_view, view_key

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["RunId", "Tracker"]

_LOG = logging.getLogger(__name__)

RunId = str | None
"""A run's id; None where MLflow could not give one, and every method then does nothing."""

# How a slot's state reads in MLflow's own words; pruned is not failed.
_STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "running": "RUNNING", "stopped": "KILLED"}
_SLOW_S = 5.0
_PAUSE_S = 60.0


class Tracker:
    """Writes studies and slots to an MLflow store; never raises because of it.

    Args:
        uri: any MLflow tracking URI; `automix.tracking.tracking_uri(work)` is the default store.
        artifact_root: absolute folder for the files of runs; a tracking server decides for itself.

    Attributes:
        problems: what went wrong, one line each, every kind once.
    """

    def __init__(self, uri: str, artifact_root: Path) -> None:
        self.uri = uri
        self.problems: list[str] = []
        self._artifact_root = artifact_root.absolute()
        self._client: MlflowClient | None = None
        self._parents: dict[str, Run] = {}
        self._last_step: dict[str, int] = {}
        self._paused_until = 0.0
        store.silence()

    def ensure_store(self, announce: Callable[[str], None]) -> None:
        """Create or migrate the store; ``announce`` is told first. The supervisor calls it before workers start."""
        with self._forgiving("prepare the store"):
            store.ensure_store(self.uri, announce)

    def experiment(self, data_name: str) -> str | None:
        """Return the id of the experiment of a data set, made where there is none yet."""
        with self._forgiving("open the experiment"):
            client = self._connect()
            known = client.get_experiment_by_name(data_name)
            if known is None:
                return client.create_experiment(data_name, self._artifact_location(), _EXPERIMENT_TAGS)
            if known.lifecycle_stage == "deleted":  # in the interface; a name stays taken
                client.restore_experiment(known.experiment_id)
            return str(known.experiment_id)
        return None

    def parent_run(
        self, data_name: str, study: str, tags: Mapping[str, str] | None = None, description: str = ""
    ) -> RunId:
        """Return the run that stands for a study: the one it already has, set to running again, or a new one."""
        experiment = self.experiment(data_name)
        own = {keys.KIND: keys.KIND_STUDY, keys.STUDY: study, keys.DATASET: data_name, **(tags or {})}
        if description:
            own[keys.NOTE] = description
        return self._run(experiment, {keys.KIND: keys.KIND_STUDY, keys.STUDY: study}, study, {}, own)

    def slot_run(
        self,
        parent: RunId,
        slot: int,
        name: str,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunId:
        """Return the run of a slot, a child of ``parent``: the one it already has, running again, or a new one.

        Args:
            parent: what `parent_run` returned.
            slot: the slot's number, by which the run is found again.
            name: what the run list shows ("cutmix a=0.7 p=0.8").
            params: the searched scalars only; everything else belongs into the policy file or tags.
            tags: further tags, under names from `automix.tracking.keys`.
        """
        with self._forgiving("read the study's run"):
            above = self._parent(parent) if parent is not None else None
            if above is None:
                return None
            identity = {keys.STUDY: above.data.tags[keys.STUDY], keys.SLOT: str(slot)}
            own = {keys.KIND: keys.KIND_SLOT, keys.PARENT_RUN: above.info.run_id, **identity, **(tags or {})}
            own[keys.DATASET] = above.data.tags[keys.DATASET]
            return self._run(above.info.experiment_id, identity, name, params or {}, own)
        return None

    def epoch(self, run: RunId, metrics: Mapping[str, float], step: int, time_s: float | None = None) -> None:
        """Log what one finished epoch measured, in one batch.

        An epoch that the run already has is left out: a slot that resumes repeats at most one.

        Args:
            run: from `slot_run`.
            metrics: by the names in `automix.tracking.keys`; NaN and infinity are kept.
            step: the epoch, counted from 1.
            time_s: when it ended, in Unix seconds; now by default.
        """
        if run is None or step <= self._last_step.get(run, 0) or time.monotonic() < self._paused_until:
            return
        with self._forgiving("log an epoch"):
            self._log(run, metrics, step, time_s)
            self._last_step[run] = step

    def sync_slot(self, run: RunId, curve: Sequence[Mapping[str, float]]) -> None:
        """Log the epochs of a curve that the run lacks, which may be all or none of them.

        Args:
            run: from `slot_run`.
            curve: the metrics of epochs 1, 2, ..., from a checkpoint or Optuna.
        """
        for step, metrics in enumerate(curve, start=1):
            self.epoch(run, metrics, step)

    def finish(
        self,
        run: RunId,
        state: str,
        metrics: Mapping[str, float] | None = None,
        artifacts: Sequence[Path] = (),
    ) -> None:
        """End a run: final metrics, files, state and status. Called again, it changes only what differs.

        Args:
            run: from `parent_run` or `slot_run`.
            state: "complete", "pruned", "stopped", "failed" or a word for a kind of failure ("oom").
            metrics: single values ("best/val_top1"), no curves.
            artifacts: files and folders to store with the run.
        """
        if run is None:
            return
        with self._forgiving("finish a run"):
            client = self._connect()
            known = client.get_run(run).data.metrics
            fresh = {name: value for name, value in (metrics or {}).items() if known.get(name) != value}
            self._log(run, fresh, 0, None, {keys.STATE: state})
            client.set_terminated(run, status=_STATUS.get(state, "FAILED"))
        for path in artifacts:
            self.artifact(run, path)

    def conclude(self, run: RunId, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Write what a study found on its run."""
        if run is not None:
            with self._forgiving("write the verdict"):
                self._log(run, metrics, 0, None, tags)

    def describe(self, run: RunId, markdown: str) -> None:
        """Set the description that MLflow shows on top of a run."""
        if run is not None:
            with self._forgiving("describe a run"):
                self._connect().set_tag(run, keys.NOTE, markdown)

    def text(self, run: RunId, name: str, content: str) -> None:
        """Store ``content`` as the file ``name`` of a run, replacing one of that name."""
        if run is not None:
            with self._forgiving(f"store {name}"):
                self._connect().log_text(run, content, name)

    def artifact(self, run: RunId, path: Path, folder: str | None = None) -> None:
        """Store a file, or everything in a folder, with a run; ``folder`` is its place there."""
        if run is not None:
            with self._forgiving(f"store {path.name}"):
                if path.is_dir():
                    self._connect().log_artifacts(run, str(path), folder or path.name)
                else:
                    self._connect().log_artifact(run, str(path), folder)

    def prepare_view(self, data_name: str, study: str, params: Sequence[str]) -> None:
        """Prepare the charts that compare a study's runs; `automix ui` opens them.

        Args:
            data_name: name of the experiment.
            study: its runs are shown, and no others.
            params: searched parameters by name; each method gets a chart of its own.
        """
        experiment = self.experiment(data_name)
        if experiment is not None:
            with self._forgiving("prepare the comparison"):
                tag = keys.SHARED_VIEW + view_key(study)
                self._connect().set_experiment_tag(experiment, tag, compare_view(study, params))

    def _connect(self) -> MlflowClient:
        if self._client is None:
            self._client = store.open_client(self.uri)
        return self._client

    def _artifact_location(self) -> str | None:
        on_server = self.uri.startswith(("http://", "https://", "databricks"))
        return None if on_server else self._artifact_root.as_uri()

    def _parent(self, run: str) -> Run:
        if run not in self._parents:
            self._parents[run] = self._connect().get_run(run)
        return self._parents[run]

    def _run(
        self,
        experiment: str | None,
        identity: Mapping[str, str],
        name: str,
        params: Mapping[str, Any],
        tags: dict[str, str],
    ) -> RunId:
        """Find the run with the tags ``identity`` or create it; either way it is running and has ``params``."""
        if experiment is None:
            return None
        with self._forgiving(f"open the run {name!r}"):
            client = self._connect()
            tags = {**tags, keys.STATE: "running", keys.SOURCE_NAME: "automix search", keys.SOURCE_TYPE: "LOCAL"}
            known = client.search_runs([experiment], _filter(identity), max_results=1)
            if known:
                run_id = str(known[0].info.run_id)
                client.update_run(run_id, status="RUNNING", name=name)
                self._last_step[run_id] = self._steps_of(run_id)
            else:
                run_id = str(client.create_run(experiment, tags=tags, run_name=name).info.run_id)
            self._log(run_id, {}, 0, None, tags if known else {}, params)
            return run_id
        return None

    def _steps_of(self, run: str) -> int:
        history = self._connect().get_metric_history(run, keys.VAL_TOP1)
        return max((metric.step for metric in history), default=0)

    def _log(
        self,
        run: str,
        metrics: Mapping[str, float],
        step: int,
        time_s: float | None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now_ms = int((time.time() if time_s is None else time_s) * 1000)
        self._connect().log_batch(
            run,
            metrics=[Metric(name, float(value), now_ms, step) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in (params or {}).items()],
            tags=[RunTag(name, value) for name, value in (tags or {}).items()],
        )

    @contextmanager
    def _forgiving(self, what: str) -> Iterator[None]:
        """Turn what MLflow, a database or the disk raises inside the block into an entry of `problems`."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        begun = time.monotonic()
        try:
            yield
        except (MlflowException, SQLAlchemyError, StorageError, OSError) as error:
            if time.monotonic() - begun > _SLOW_S:  # it waited for something that is not there; do not wait each epoch
                self._paused_until = time.monotonic() + _PAUSE_S
            self._note(f"MLflow could not {what}: {str(error).strip().partition(chr(10))[0]}")

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)
            _LOG.warning("%s The search goes on; its results are kept in the work folder.", problem)


_EXPERIMENT_TAGS = {
    # Without it the interface asks each visitor whether this is about language models.
    keys.EXPERIMENT_KIND: "custom_model_development",
    keys.PRIMARY_METRIC: keys.BEST_TOP1,
    keys.PRIMARY_METRIC_UP: "true",
}


def _filter(tags: Mapping[str, str]) -> str:
    quote = '"' if any("'" in value for value in tags.values()) else "'"
    return " and ".join(f"tags.`{name}` = {quote}{value}{quote}" for name, value in tags.items())
