"""The policy document: what a search hands back and a trainer loads.

A policy is one or more weighted branches (one is drawn per batch), each filling the same slots, and what concerns all
of them: input treatment, label smoothing, schedule. Components are named here and looked up when the policy is
compiled.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

__all__ = ["SCHEMA", "SLOTS", "Branch", "ComponentSpec", "PolicyDocument", "Schedule"]

SCHEMA = "automix.policy/1"
SLOTS = ("mixer", "ratio", "pairing", "labels", "guide")


# Values that are usual enough to go without saying.
_UNTOLD = {("alpha", 1.0), ("prob", 1.0), ("low", 0.0), ("high", 1.0)}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ComponentSpec(_Strict):
    """A component by name, with its parameters; written flat, ``{name: cutmix, prob: 0.8}``, or as a name alone."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "params" not in value:
            return {"name": value.get("name"), "params": {k: v for k, v in value.items() if k != "name"}}
        return value

    @model_serializer
    def _flatten(self) -> dict[str, Any]:
        return {"name": self.name, **self.params}

    def title(self) -> str:
        """Say name and the numbers that are usually looked for."""
        short = {"alpha": "a", "prob": "p", "low": "from", "high": "to"}
        # A stranger's policy may hold anything where a number is expected; it is told apart when it is compiled.
        numbers = {k: v for k, v in self.params.items() if k in short and isinstance(v, (int, float))}
        inner = [f"{short[k]}={v:.3g}" for k, v in numbers.items() if (k, v) not in _UNTOLD]
        return " ".join([self.name, *inner])


class Branch(_Strict):
    """One way to mix; of several, one is drawn per batch by weight.

    A slot that is left out is filled with the mixer's default.
    """

    weight: Annotated[float, Field(gt=0)] = 1.0
    mixer: ComponentSpec
    ratio: ComponentSpec | None = None
    pairing: ComponentSpec | None = None
    labels: ComponentSpec | None = None
    guide: ComponentSpec | None = None

    def title(self) -> str:
        """Say mixer, probability and ratio law in a few words."""
        ratio = self.ratio.title().removeprefix("beta") if self.ratio else ""
        return " ".join((self.mixer.title() + " " + ratio).split())


class Schedule(_Strict):
    """The share of training in which mixing is on: from ``start`` (included) to ``stop`` (excluded)."""

    start: Annotated[float, Field(ge=0, le=1)] = 0.0
    stop: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _in_order(self) -> Schedule:
        if self.start >= self.stop:
            raise ValueError("Expected `start` < `stop`")
        return self


class PolicyDocument(_Strict):
    """A whole policy.

    Attributes:
        schema_: format and version.
        name: for people; empty where nobody gave one.
        branches: at least one.
        input: input treatment, with fitted statistics where it has any; None for what the mixers ask for.
        label_smoothing: e: every target becomes ``(1 - e) * target + e / K``.
        schedule: when mixing is on.
        classes: class names, where the policy depends on them or was searched on them.
        files: name below ``policy.d/`` -> sha256, for what a policy needs besides numbers.
        found_by: which search found it (free form).
        verdict: what was measured (free form).
        trained_with: model and settings it was found with (free form).
    """

    schema_: Literal["automix.policy/1"] = Field(default="automix.policy/1", alias="schema")
    name: str = ""
    branches: Annotated[tuple[Branch, ...], Field(min_length=1)]
    input: ComponentSpec | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    schedule: Schedule = Schedule()
    classes: tuple[str, ...] | None = None
    files: dict[str, str] = Field(default_factory=dict)
    found_by: dict[str, Any] = Field(default_factory=dict)
    verdict: dict[str, Any] = Field(default_factory=dict)
    trained_with: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, mixer: str, **params: Any) -> PolicyDocument:
        """Make the policy of one mixer with its defaults, apart from ``params``."""
        return cls(branches=(Branch(mixer=ComponentSpec(name=mixer, params=params)),))

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads, without what is at its default."""
        full = self.model_dump(by_alias=True, mode="json", exclude_defaults=True, exclude_none=True)
        return {"schema": self.schema_, **full}

    @classmethod
    def from_dict(cls, data: Any) -> PolicyDocument:
        """Validate plain data.

        Raises:
            pydantic.ValidationError: it is not a policy; `automix.policy.load_document` names file and line.
        """
        return cls.model_validate(data)

    def canonical(self) -> str:
        """Write what matters for training as JSON with sorted keys; equal policies give equal text."""
        keep = {"branches", "input", "label_smoothing", "schedule", "files"}
        data = self.model_dump(include=keep, mode="json", exclude_none=True)
        total = sum(branch.weight for branch in self.branches)
        for branch in data["branches"]:
            branch["weight"] = round(branch["weight"] / total, 9)
        data["branches"].sort(key=lambda branch: json.dumps(branch, sort_keys=True))
        return json.dumps(data, sort_keys=True)

    def key(self) -> str:
        """Return 12 hexadecimal digits that are equal for equal policies."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()[:12]

    def title(self) -> str:
        """Say the policy in one short line: its name, or its branches."""
        if self.name:
            return self.name
        if len(self.branches) > 3:
            return f"{len(self.branches)} branches"
        return " | ".join(branch.title() for branch in self.branches)

    @property
    def is_mixing(self) -> bool:
        """Whether any branch mixes."""
        return any(branch.mixer.name != "none" for branch in self.branches)
