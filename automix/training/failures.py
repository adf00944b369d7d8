"""Ways in which a training can fail; a search records them and goes on.

AutomixError
├── TrainingFailed     (RuntimeError)
│   ├── NonFiniteLoss                   the loss became NaN or infinite
│   └── OutOfMemory                     the device has too little memory
└── StaleAttempt       (RuntimeError)   a newer attempt trains this trial: stop quietly
"""

from __future__ import annotations

from automix.errors import AutomixError

__all__ = ["NonFiniteLoss", "OutOfMemory", "StaleAttempt", "TrainingFailed"]


class TrainingFailed(AutomixError, RuntimeError):  # noqa: N818  named as what happened, like its children
    """A training could not be finished with its settings."""


class NonFiniteLoss(TrainingFailed):
    """The loss became NaN or infinite."""


class OutOfMemory(TrainingFailed):
    """The device has too little memory for this model and batch."""


class StaleAttempt(AutomixError, RuntimeError):  # noqa: N818  a reason to stop, not a fault
    """A newer attempt at the same trial has begun; this one must stop and write nothing more."""
