"""The static tree of a space: branch, mixer, slots, components, parameters.

Nodes hold what may be chosen but no Optuna names; those come from outside as a mapping from a node's path to its name
(`automix.spaces.names`), so that both branches of a policy share one tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from automix.mixing import Component
from automix.mixing.domains import ChoiceDomain, Domain, Fixed, TrialLike, Value
from automix.policy import Branch, ComponentSpec
from automix.spaces.trials import Recorder, Replay

__all__ = ["BranchNode", "ComponentNode", "Leaf", "MixerNode", "Names", "Path", "SlotNode"]

Path = tuple[str, ...]
"""(branch, mixer, parameter) or (branch, mixer, slot) or (branch, mixer, slot, component, parameter)."""

Names = Mapping[Path, str]
"""Path of a leaf -> its name in the study."""


@dataclass(frozen=True)
class Leaf:
    """One thing to choose (or fixed), with the condition under which it is.

    Args:
        path: where it stands in the tree.
        domain: what may be chosen.
        condition: in words; empty for always.
    """

    path: Path
    domain: Domain
    condition: str = ""


@dataclass(frozen=True)
class ComponentNode:
    """A component with the domain of each of its parameters."""

    cls: type[Component]
    domains: Mapping[str, Domain]

    def leaves(self, path: Path, condition: str) -> Iterator[Leaf]:
        """Walk the parameters that can matter."""
        for name, domain in self.domains.items():
            needs = [f"{key} = {' or '.join(map(str, v))}" for key, v in self.cls.params[name].when.items()]
            yield Leaf((*path, name), domain, ", ".join(filter(None, [condition, *needs])))

    def suggest(self, trial: TrialLike, names: Names, path: Path) -> ComponentSpec:
        """Let the component ask for its parameters."""
        params = self.cls.suggest(trial, self._keys(names, path), self.domains)
        return ComponentSpec(name=self.cls.name, params=params)

    def encode(self, spec: ComponentSpec, names: Names, path: Path) -> dict[str, Value]:
        """Write given parameters (all of them) as Optuna's.

        Raises:
            ValueError: a value is not in its domain, or the component draws its parameters in a way of its own that
                does not lead to these values.
        """
        keys, encoded = self._keys(names, path), dict[str, Value]()
        for name, value in spec.params.items():
            if self.cls.params[name].is_active(spec.params):
                encoded |= self.domains[name].encode(keys[name], value)
        if self._draws_itself and self.cls.check(self.cls.suggest(Replay(encoded), keys, self.domains)) != spec.params:
            raise ValueError(f"{self.cls.kind} `{self.cls.name}` draws its parameters in a way that cannot give these")
        return encoded

    def record_own(self, recorder: Recorder, names: Names, path: Path) -> None:
        """Record what a component with its own `suggest` asks for."""
        if self._draws_itself:
            self.cls.suggest(recorder, self._keys(names, path), self.domains)

    @property
    def _draws_itself(self) -> bool:
        return self.cls.suggest.__func__ is not Component.suggest.__func__  # type: ignore[attr-defined]  # a classmethod

    def _keys(self, names: Names, path: Path) -> dict[str, str]:
        return {name: names[(*path, name)] for name in self.domains}


@dataclass(frozen=True)
class SlotNode:
    """A slot of a branch and what may fill it."""

    slot: str
    options: Mapping[str, ComponentNode]

    @property
    def choice(self) -> Domain:
        """Which of the options."""
        return _one_of(self.options)

    def leaves(self, path: Path, condition: str) -> Iterator[Leaf]:
        """Walk the choice and each option's parameters."""
        yield Leaf((*path, self.slot), self.choice, condition)
        for name, option in self.options.items():
            inner = f"{condition}, {self.slot} = {name}" if self.choice.is_free else condition
            yield from option.leaves((*path, self.slot, name), inner)

    def suggest(self, trial: TrialLike, names: Names, path: Path) -> ComponentSpec:
        """Choose what fills the slot, then its parameters."""
        name = cast(str, self.choice.suggest(trial, names[(*path, self.slot)]))
        return self.options[name].suggest(trial, names, (*path, self.slot, name))

    def encode(self, spec: ComponentSpec, names: Names, path: Path) -> dict[str, Value]:
        """Write a filled slot as Optuna's parameters; raises ValueError as `ComponentNode.encode`."""
        chosen = self.choice.encode(names[(*path, self.slot)], spec.name)
        return chosen | self.options[spec.name].encode(spec, names, (*path, self.slot, spec.name))


@dataclass(frozen=True)
class MixerNode:
    """A mixer with the slots that it reads."""

    own: ComponentNode
    slots: tuple[SlotNode, ...]

    def leaves(self, path: Path, condition: str) -> Iterator[Leaf]:
        """Walk the mixer's parameters and slots."""
        yield from self.own.leaves(path, condition)
        for slot in self.slots:
            yield from slot.leaves(path, condition)

    def components(self, path: Path) -> Iterator[tuple[Path, ComponentNode]]:
        """Walk the components with the path of each."""
        yield path, self.own
        for slot in self.slots:
            yield from (((*path, slot.slot, name), option) for name, option in slot.options.items())

    def suggest(self, trial: TrialLike, names: Names, path: Path) -> Branch:
        """Choose the mixer's parameters and what fills its slots."""
        mixer = self.own.suggest(trial, names, path)
        slots: dict[str, Any] = {slot.slot: slot.suggest(trial, names, path) for slot in self.slots}
        return Branch(mixer=mixer, **slots)

    def encode(self, branch: Branch, names: Names, path: Path) -> dict[str, Value]:
        """Write a complete branch as Optuna's parameters; raises ValueError as `ComponentNode.encode`."""
        encoded = self.own.encode(branch.mixer, names, path)
        for slot in self.slots:
            encoded |= slot.encode(getattr(branch, slot.slot), names, path)
        return encoded


@dataclass(frozen=True)
class BranchNode:
    """The first or second branch of a policy.

    Args:
        key: what its mixer is called in the study: "mixer" or "mixer2".
        mixers: name -> node.
    """

    key: str
    mixers: Mapping[str, MixerNode]

    @property
    def choice(self) -> Domain:
        """Which of the mixers."""
        return _one_of(self.mixers)

    def leaves(self, condition: str = "") -> Iterator[Leaf]:
        """Walk the choice of mixer and each mixer."""
        yield Leaf((self.key,), self.choice, condition)
        for name, mixer in self.mixers.items():
            inner = f"{self.key} = {name}" if self.choice.is_free else condition
            yield from mixer.leaves((self.key, name), inner)

    def suggest(self, trial: TrialLike, names: Names) -> Branch:
        """Choose a mixer, then what belongs to it."""
        name = cast(str, self.choice.suggest(trial, names[(self.key,)]))
        return self.mixers[name].suggest(trial, names, (self.key, name))

    def encode(self, branch: Branch, names: Names) -> dict[str, Value]:
        """Write a complete branch as Optuna's parameters; raises ValueError as `ComponentNode.encode`."""
        name = branch.mixer.name
        chosen = self.choice.encode(names[(self.key,)], name)
        return chosen | self.mixers[name].encode(branch, names, (self.key, name))


def _one_of(named: Mapping[str, object]) -> Domain:
    names = tuple(named)
    return ChoiceDomain(names) if len(names) > 1 else Fixed(names[0])
