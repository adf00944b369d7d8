"""Every name under which automix logs to MLflow, in one place.

A renamed key splits the history of users in two, so a change here is a change for them. MLflow's interface groups
charts by the part before the slash.
"""

from __future__ import annotations

from typing import Final

# Metrics of each epoch.
VAL_TOP1: Final = "val/top1"
VAL_BALANCED_TOP1: Final = "val/balanced_top1"
VAL_LOGLOSS: Final = "val/logloss"
VAL_ECE: Final = "val/ece"
VAL_ROBUSTNESS: Final = "val/robustness"
"""Only where it is the goal."""
TRAIN_LOSS: Final = "train/loss"
TRAIN_MIXED_TOP1: Final = "train/mixed_top1"
TRAIN_CLEAN_TOP1: Final = "train/clean_top1"
LEARNING_RATE: Final = "lr"
COST_IMAGES_PER_S: Final = "cost/img_s"
COST_EPOCH_S: Final = "cost/epoch_s"
COST_CPU_S: Final = "cost/cpu_s"

# Metrics of a finished run. The run table shows the last value of a metric, so the best one has a key of its own.
BEST_TOP1: Final = "best/val_top1"
BEST_BALANCED_TOP1: Final = "best/val_balanced_top1"
BEST_LOGLOSS: Final = "best/val_logloss"
BEST_ECE: Final = "best/val_ece"
BEST_EPOCH: Final = "best/epoch"
DELTA_TOP1: Final = "delta/top1"
"""Best val top-1 minus that of the no-mixing arm."""
COST_OVERHEAD: Final = "cost/overhead"
"""Processor time of an epoch over that of the no-mixing arm, minus one."""
COST_TOTAL_S: Final = "cost/total_s"

# Of a study's run, once there is a verdict.
GAIN: Final = "gain/test_"
"""Prefix; what the study's goal is measured by follows ("top1"): the winner minus no mixing on test."""
GAIN_LOW: Final = "_low"
"""Ending of the name of the interval's lower end."""
GAIN_HIGH: Final = "_high"

# The parameter that every run has; the others are named by the search space (`alpha.cutmix`).
MIXER: Final = "mixer"

# Our tags. The data set and study stand on children too, so that a filter finds them without their parent.
KIND: Final = "automix.kind"
KIND_STUDY: Final = "study"
KIND_SLOT: Final = "slot"
STUDY: Final = "automix.study"
SLOT: Final = "automix.slot"
DATASET: Final = "automix.dataset"
METHOD: Final = "automix.method"
ARM: Final = "automix.arm"
"""Where the policy came from: the name of a reference arm, or "sampler"."""
POLICY_KEY: Final = "automix.policy_key"
STATE: Final = "automix.state"
ORIGIN: Final = "automix.origin"
"""Of a slot: the study and slot that it was taken over from. Of a study: the one that it followed."""
VERDICT: Final = "automix.verdict"
"""helps, no_difference or do_not_mix."""
WINNER: Final = "automix.winner"

# MLflow's own tags that it reads from runs and experiments.
PARENT_RUN: Final = "mlflow.parentRunId"
RUN_NAME: Final = "mlflow.runName"
NOTE: Final = "mlflow.note.content"
SOURCE_NAME: Final = "mlflow.source.name"
SOURCE_TYPE: Final = "mlflow.source.type"
EXPERIMENT_KIND: Final = "mlflow.experimentKind"
PRIMARY_METRIC: Final = "mlflow.experiment.primaryMetric.name"
PRIMARY_METRIC_UP: Final = "mlflow.experiment.primaryMetric.greaterIsBetter"
SHARED_VIEW: Final = "mlflow.sharedViewState."
"""Prefix; the rest is the key that a link carries as `viewStateShareKey`."""

# Files of a run.
POLICY_FILE: Final = "policy.yaml"
