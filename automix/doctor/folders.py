"""Checks of the work folder: where it lies, who may write there, whether its databases and studies can be read."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path

from automix.doctor.finding import Finding
from automix.errors import StudyError
from automix.search.config import StudyConfig, load_config, plugin_changes
from automix.search.folder import StudyFolder
from automix.search.locks import is_locked, try_lock
from automix.search.reading import study_names
from automix.storage.sqlite import network_mount

__all__ = [
    "check_databases",
    "check_device",
    "check_folder",
    "check_network",
    "check_study_plugins",
    "read_studies",
]

_DATABASES = ("optuna.db", "mlflow.db", "automix.db")


def check_network(work: Path, mounts: str) -> Finding:
    """Find a work folder on a network drive, where SQLite loses data.

    Args:
        work: the work folder.
        mounts: text in the form of ``/proc/self/mounts``; empty where the system does not tell.
    """
    found = network_mount(work.resolve(), mounts) if mounts else None
    if found is None:
        return Finding("network drive", "ok", f"{work} is on a local disk" if mounts else "this system does not tell")
    return Finding(
        "network drive",
        "fail",
        f"{work} lies on {found[0]}, a network file system ({found[1]}), where SQLite loses data",
        "choose a local folder with --work or AUTOMIX_WORK",
    )


def check_folder(work: Path) -> Finding:
    """Find a folder that cannot be written, or whose file system has no locks."""
    place = next(path for path in (work, *work.absolute().parents) if path.exists())
    advice = "choose another folder with --work, or change its owner and rights"
    try:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            lock = Path(folder) / "lock"
            held = try_lock(lock)
            works = held is not None and is_locked(lock)
            if held is not None:
                held.release()
    except OSError as err:
        return Finding("work folder", "fail", f"{place} cannot be written: {err.strerror}", advice)
    if not works:
        return Finding(
            "work folder", "fail", f"{place} is on a file system without locks", "choose another with --work"
        )
    text = f"{work} can be written" if work.exists() else f"{work} does not exist yet and can be made"
    return Finding("work folder", "ok", text)


def check_databases(work: Path, heads: Mapping[str, str]) -> list[Finding]:
    """Find databases that are damaged or of a newer version.

    Args:
        work: the work folder.
        heads: file -> newest schema known here, as `version_table` holds it; files that are not named are only read.
    """
    files = [work / name for name in _DATABASES if (work / name).exists()]
    return [_check_database(file, heads.get(file.name, "")) for file in files]


def _check_database(file: Path, head: str) -> Finding:
    try:
        # Read only: looking must not create or change anything.
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            schema = _schema(connection)
        finally:
            connection.close()
    except sqlite3.Error as err:
        verdict, schema = str(err), ""
    if verdict != "ok":
        advice = "`automix doctor --rebuild-mlflow` makes it anew" if file.name == "mlflow.db" else "restore a backup"
        return Finding(file.name, "fail", f"{file} is damaged: {verdict}", advice)
    if head and schema and schema > head:
        text = f"{file} has schema {schema}, this automix knows {head}"
        return Finding(file.name, "fail", text, "update automix, or choose another folder with --work")
    older = f"schema {schema} becomes {head} at the next search" if head and schema != head else f"schema {schema}"
    return Finding(file.name, "ok", f"whole, {older}" if schema else "whole")


def _schema(connection: sqlite3.Connection) -> str:
    from automix.storage.migrate import VERSION_TABLE

    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in (VERSION_TABLE, "alembic_version"):
        if table in tables:
            row = connection.execute(f"SELECT version_num FROM {table}").fetchone()  # noqa: S608  one of two names
            return str(row[0]) if row else ""
    return ""


def read_studies(work: Path) -> tuple[list[StudyConfig], list[Finding]]:
    """Return the studies of a work folder, and a finding for each that cannot be read."""
    configs, findings = [], []
    for name in study_names(work):
        try:
            configs.append(load_config(StudyFolder(work.absolute(), name)))
        except StudyError as err:
            findings.append(Finding("study", "warn", str(err)))
    return configs, findings


def check_device(configs: list[StudyConfig], usable: tuple[str, ...]) -> list[Finding]:
    """Find studies that train and mix on the processor although there is a GPU."""
    idle = [config.name for config in configs if usable and config.settings.get("device") == "cpu"]
    return [
        Finding("device", "warn", f"study {name!r} trains and mixes on the processor", "leave --device at auto")
        for name in idle
    ]


def check_study_plugins(configs: list[StudyConfig], plugins: Mapping[str, list[str]]) -> list[Finding]:
    """Tell which studies were made with other plugins: the same command makes a study that follows."""
    followed = {config.succeeds for config in configs}
    changes = {
        config.name: plugin_changes(config.plugins, plugins) for config in configs if config.name not in followed
    }
    return [
        Finding("study", "ok", f"{name!r} was made with other plugins ({change})", "its command makes one that follows")
        for name, change in changes.items()
        if change
    ]
