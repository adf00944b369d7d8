"""Databases in the work folder: automix's own memory over studies, and SQLite settings that Optuna shares.

SQLAlchemy is imported here; import this package inside commands, never at the top of the command line.
"""

from automix.storage.lock import exclusive
from automix.storage.models import DataSetRecord, ImportRecord, PolicyRecord, ResultRecord, StudyRecord
from automix.storage.optuna_store import optuna_errors, optuna_storage
from automix.storage.sqlite import prepare_sqlite, sqlite_path, sqlite_url
from automix.storage.store import Store

__all__ = [
    "DataSetRecord",
    "ImportRecord",
    "PolicyRecord",
    "ResultRecord",
    "Store",
    "StudyRecord",
    "exclusive",
    "optuna_errors",
    "optuna_storage",
    "prepare_sqlite",
    "sqlite_path",
    "sqlite_url",
]
