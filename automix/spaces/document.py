"""The space file: who takes part in a search, and which ranges are narrowed, widened or fixed.

Shapes and keys are checked here; names and ranges are checked when the space is composed, because only then is it known
what is registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from automix.errors import SpaceError
from automix.policy.yamlfile import YamlFile

__all__ = ["OWN", "SCHEMA", "SLOTS", "MixerEntry", "ScheduleEntry", "SlotEntries", "SpaceDocument"]

SCHEMA = "automix.space/1"
SLOTS = ("ratio", "pairing", "labels", "guide")
OWN = "own"
"""Among the options of a slot: what the mixer itself fills it with."""


def _named(value: Any) -> Any:
    """Read ``name``, ``[names]`` or ``{name: overrides or nothing}`` as the last of these."""
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, str) for one in value):
        return {one: {} for one in value}
    if isinstance(value, Mapping) and value:
        return {name: {} if inner is None else inner for name, inner in value.items()}
    raise ValueError("Expected a name, a list of names or a mapping from names to overrides")


def _mixers(value: Any) -> Any:
    return _named("*" if value == "all" else value)


Options = Annotated[dict[str, dict[str, Any]], BeforeValidator(_named)]
Override = float | list[float] | dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SlotEntries(_Strict):
    """What may fill the slots of mixers that say nothing themselves.

    Attributes:
        ratio: laws of lam.
        pairing: who with whom.
        labels: label rules.
        guide: importance maps.
    """

    ratio: Options | None = None
    pairing: Options | None = None
    labels: Options | None = None
    guide: Options | None = None

    def slot(self, name: str) -> dict[str, dict[str, Any]] | None:
        """Return a slot's options, or None where nothing is said."""
        options: dict[str, dict[str, Any]] | None = getattr(self, name)
        return options


class MixerEntry(SlotEntries):
    """One mixer, or a wildcard for several: slots as in `SlotEntries`, every other key is a parameter's override."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @property
    def params(self) -> dict[str, Any]:
        """Parameter name -> override, as written."""
        return self.model_extra or {}


class ScheduleEntry(_Strict):
    """The share of training in which mixing is on.

    Attributes:
        start: where it begins.
        stop: where it ends.
    """

    start: Override = 0.0
    stop: Override = 1.0


class SpaceDocument(_Strict):
    """A whole space file.

    Attributes:
        schema_: format and version.
        description: one line for people.
        mixers: who takes part: ``all``, a list of names, or name -> overrides; wildcards as in ``"*mix"``.
        exclude: who does not, whatever `mixers` says.
        defaults: slots of mixers that say nothing.
        branches: 1, or 2 where a policy may alternate between two mixers.
        label_smoothing: mass spread evenly over the classes.
        schedule: when mixing is on.
        references: registered policies that are reference arms besides the usual ones, where they can work.
    """

    schema_: Literal["automix.space/1"] = Field(alias="schema")
    description: str = ""
    mixers: Annotated[dict[str, MixerEntry], BeforeValidator(_mixers)]
    exclude: tuple[str, ...] = ()
    defaults: SlotEntries = SlotEntries()
    branches: Literal[1, 2] = 1
    label_smoothing: Override = 0.0
    schedule: ScheduleEntry = ScheduleEntry()
    references: tuple[str, ...] = ()

    _file: YamlFile = PrivateAttr(default_factory=lambda: YamlFile("space", {}))
    _is_shipped: bool = PrivateAttr(default=False)

    @classmethod
    def read(cls, file: YamlFile, *, is_shipped: bool = False) -> Self:
        """Validate a file's content.

        Args:
            file: data, and where each part stands.
            is_shipped: whether the file is automix's own; those name methods that may be blocked or not installed.

        Raises:
            SpaceError: it is not a space; file and line are named.
        """
        try:
            document = cls.model_validate(file.data)
        except ValidationError as err:
            raise SpaceError(str(file.complaint(err, SpaceError, cls))) from err
        document._file, document._is_shipped = file, is_shipped
        return document

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Make a space from Python.

        Example:
            >>> sorted(SpaceDocument.of(mixers=["none", "mixup"]).mixers)
            ['mixup', 'none']
        """
        return cls.read(YamlFile("space", {"schema": SCHEMA, **fields}))

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return Path(self._file.name).stem

    @property
    def is_shipped(self) -> bool:
        """Whether it is one of automix's own."""
        return self._is_shipped

    def where(self, *path: str) -> str:
        """Say file and line of a part."""
        data, found = self._file.data, []
        for part in path:
            if isinstance(data, list):
                found.append(data.index(part) if part in data else part)
                break
            found.append(part)
            data = data.get(part) if isinstance(data, Mapping) else None
        return self._file.where(*found)
