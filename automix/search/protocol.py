"""What a supervisor and its workers agree on."""

from __future__ import annotations

__all__ = ["ENV_SESSION", "ENV_SUPERVISOR", "EXIT_REFUSED", "EXIT_REPLACE", "PARENT_RUN"]

ENV_SUPERVISOR = "AUTOMIX_SUPERVISOR"
"""Environment variable: process id of the supervisor; not set for a worker that somebody started by hand."""

ENV_SESSION = "AUTOMIX_SESSION"
"""Environment variable: random name of this start of the search; not set likewise."""

EXIT_REFUSED = 2
"""The study cannot be worked on; the last line of the log says why."""

EXIT_REPLACE = 75
"""Well done, but this process is of no more use (CUDA after an error): start another one."""

PARENT_RUN = "mlflow_run"
"""Fact in the ledger: the study's MLflow run."""
