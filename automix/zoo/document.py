"""The zoo file ``automix.zoo/1``: data sets by their meta-features, and policies that won on them.

The file may come from a stranger. It is JSON and holds no code; sizes are limited, unknown keys, numbers that are not
finite and characters that a terminal would obey are refused. Policies that need files are not carried.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator, model_validator

from automix.errors import PolicyError
from automix.policy import PolicyDocument
from automix.policy.yamlfile import YamlFile

__all__ = ["SCHEMA", "Finding", "ZooData", "ZooDocument", "ZooEntry", "portable", "read_zoo"]

SCHEMA = "automix.zoo/1"
_MAX_BYTES = 4 << 20
_MAX_ROWS = 5000
_MAX_TEXT = 250
_MAX_DEPTH = 12
_MAX_NUMBER = 1e15

Finding = Literal["helps", "no_difference", "do_not_mix", ""]
"""What a verdict said of a policy (`automix.verdict`); empty where there is none."""

_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ZooData(_Strict):
    """A data set as others may know it: no images, no paths, no class names.

    Attributes:
        content_hash: of its content (`automix.data.dataset.Fingerprint`).
        name: for people.
        meta_features: named numbers (`automix.data.fingerprint`).
    """

    content_hash: _Hash
    name: str
    meta_features: dict[str, float]


class ZooEntry(_Strict):
    """A policy that did better than no mixing in a study.

    Attributes:
        data: content hash of the data set.
        policy: the policy, with nothing in it that was fitted to the data.
        val_top1: what it reached on the validation images.
        val_top1_none: what no mixing reached in the same study.
        epochs: of a trial.
        fidelity: share of a whole training that a trial had, as ``--fidelity`` takes it.
        model: that was trained.
        study: its name.
        study_id: tells studies of one name apart.
        finding: of the verdict, where there is one on this policy.
        automix: version that searched.
    """

    data: _Hash
    policy: PolicyDocument
    val_top1: _Share
    val_top1_none: _Share
    epochs: Annotated[int, Field(ge=1)]
    model: str
    study: str
    study_id: str
    finding: Finding = ""
    fidelity: str = "full"
    automix: str = ""

    @property
    def gain(self) -> float:
        """Validation top-1 minus that of no mixing; above zero."""
        return self.val_top1 - self.val_top1_none

    @property
    def entry_hash(self) -> str:
        """Equal for equal entries."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    @field_serializer("policy")
    def _short_policy(self, policy: PolicyDocument) -> dict[str, Any]:
        return policy.to_dict()

    @field_validator("policy")
    @classmethod
    def _is_portable(cls, policy: PolicyDocument) -> PolicyDocument:
        if policy.files or policy != portable(policy):
            raise ValueError("Expected a policy without files, fitted statistics, classes and remarks")
        return policy

    @model_validator(mode="after")
    def _has_won(self) -> ZooEntry:
        if self.gain <= 0:
            raise ValueError("Expected `val_top1` above `val_top1_none`")
        return self


class ZooDocument(_Strict):
    """The whole file.

    Attributes:
        schema_: format and version.
        data_sets: every data set that an entry names, once.
        entries: the winners.
    """

    schema_: Literal["automix.zoo/1"] = Field(alias="schema")
    data_sets: Annotated[tuple[ZooData, ...], Field(max_length=_MAX_ROWS)]
    entries: Annotated[tuple[ZooEntry, ...], Field(max_length=_MAX_ROWS)]

    @model_validator(mode="after")
    def _names_its_data(self) -> ZooDocument:
        known = {data.content_hash for data in self.data_sets}
        for entry in self.entries:
            if entry.data not in known:
                raise ValueError(f"Expected the data set {entry.data} of study {entry.study!r} among `data_sets`")
        return self

    def to_json(self) -> str:
        """Write what `read_zoo` reads."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=1, allow_nan=False) + "\n"


def portable(policy: PolicyDocument) -> PolicyDocument:
    """Return a policy without what belongs to the data and the study it comes from."""
    treatment = policy.input
    if treatment is not None:
        params = {name: value for name, value in treatment.params.items() if name != "statistics"}
        treatment = treatment.model_copy(update={"params": params})
    bare: dict[str, Any] = {"classes": None, "found_by": {}, "verdict": {}, "trained_with": {}, "input": treatment}
    return policy.model_copy(update=bare)


def read_zoo(path: Path) -> ZooDocument:
    """Read a zoo file that somebody sent.

    Raises:
        PolicyError: it is missing, too large or no zoo file; the message says where.
        UnknownNameError: a key that zoo files do not have.
    """
    name = path.name
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as err:
        raise PolicyError(f"Cannot read the zoo file {str(path)!r}: {err.strerror}.") from err
    if len(content) > _MAX_BYTES:
        raise PolicyError(f"Expected a zoo file of at most {_MAX_BYTES >> 20} MiB but {name} is larger.")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as err:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise PolicyError(f"{name} is not valid JSON: {err}.") from err
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise PolicyError(f"Expected `schema` {SCHEMA!r} in {name} but got {schema!r}: is it a zoo file?")
    _check_plain(data, name)
    try:
        return ZooDocument.model_validate(data)
    except ValidationError as err:
        raise YamlFile(name, data).complaint(err, PolicyError, ZooDocument) from err


def _check_plain(value: Any, name: str, depth: int = 0) -> None:
    """Refuse what no zoo file needs: deep nesting, long or unprintable text, numbers that are not finite.

    Raises:
        PolicyError: it holds such a value.
    """
    if depth > _MAX_DEPTH:
        raise PolicyError(f"{name} is nested deeper than {_MAX_DEPTH} levels.")
    if isinstance(value, str) and (len(value) > _MAX_TEXT or not value.isprintable()):
        raise PolicyError(
            f"Expected printable text of at most {_MAX_TEXT} characters in {name} but got {value[:40]!r}."
        )
    if isinstance(value, (int, float)) and not abs(value) < _MAX_NUMBER:  # NaN is not below it either
        raise PolicyError(f"Expected numbers below {_MAX_NUMBER:g} in {name} but got {str(value)[:40]}.")
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _check_plain(one, name, depth + 1)
