"""Space: what a search may propose, as a tree that suggests policies and writes known ones as trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from automix.errors import AutomixError, SpaceError
from automix.mixing.domains import ChoiceDomain, Domain, FloatDomain, TrialLike, Value
from automix.policy import Branch, ComponentSpec, PolicyDocument, Schedule, complete
from automix.registry import Registry
from automix.spaces.document import SpaceDocument
from automix.spaces.names import name_leaves
from automix.spaces.signature import signature_of
from automix.spaces.tree import BranchNode, Leaf, Names
from automix.spaces.trials import Parameter, Recorder

__all__ = ["Space", "SummaryRow"]

_COUNT = ChoiceDomain((1, 2))
# The second branch never weighs more than the first: what is left is each unordered pair once. Below a tenth it would
# hardly be seen.
_SHARE = FloatDomain(0.1, 0.5)


class SummaryRow(NamedTuple):
    """One searched parameter, in words."""

    name: str
    type: str
    range: str
    scale: str
    condition: str


@dataclass(frozen=True)
class Space:
    """A composed space. Made by `automix.spaces.compose`.

    Args:
        document: the file it comes from.
        registry: what policies are completed with.
        first: the first branch.
        second: the second, or None where policies have one.
        wide: what a policy holds beside its branches: label_smoothing, start, stop.
        left_out: what does not take part, and why.
    """

    document: SpaceDocument
    registry: Registry
    first: BranchNode
    second: BranchNode | None
    wide: Mapping[str, Domain]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def mixers(self) -> list[str]:
        """Who takes part, sorted."""
        return list(self.first.mixers)

    # Proposing and encoding.

    def suggest(self, trial: TrialLike) -> PolicyDocument:
        """Propose a policy.

        Args:
            trial: an Optuna trial, or anything that suggests like one.

        Returns:
            A complete policy: every slot and parameter written out, equal branches merged, so that equal policies have
            equal keys.
        """
        branches = [self.first.suggest(trial, self.names)]
        if self.second is not None and _COUNT.suggest(trial, "branches") == 2:
            share = float(_SHARE.suggest(trial, "share2"))
            other = self.second.suggest(trial, self.names)
            branches = [_weighted(branches[0], 1.0 - share), _weighted(other, share)]
        smoothing = self.wide["label_smoothing"].suggest(trial, "label_smoothing")
        policy = self.normal(PolicyDocument(branches=tuple(branches), label_smoothing=float(smoothing)))
        if not policy.is_mixing:
            return policy
        start, stop = (float(self.wide[key].suggest(trial, key)) for key in ("start", "stop"))
        return policy.model_copy(update={"schedule": Schedule(start=start, stop=stop)})

    def encode(self, document: PolicyDocument) -> dict[str, Value]:
        """Write a known policy as parameters for ``study.enqueue_trial``: the inverse of `suggest`.

        Optuna uses an enqueued value that is out of range with no more than a warning and fails in the worker where a
        category is missing; so everything is checked here. Two equal branches come back as the one that they are.

        Raises:
            SpaceError: the policy is not in this space; the message says why.
        """
        try:
            normal = self.normal(document)
            self._check_input(normal)
            return {**self._encode_branches(normal.branches), **self._encode_wide(normal)}
        except (AutomixError, ValueError) as err:
            reason = str(err).removesuffix(".")
            raise SpaceError(
                f"The policy {document.title()!r} is not in the space {self.document.name!r}: {reason}."
            ) from err

    def normal(self, document: PolicyDocument) -> PolicyDocument:
        """Return a policy in the form in which `suggest` writes it: complete, equal branches merged, no idle schedule.

        Raises:
            AutomixError: the policy is wrong.
        """
        full = complete(document, self.registry)
        schedule = document.schedule if document.is_mixing else Schedule()
        return full.model_copy(update={"branches": _merged(full.branches), "schedule": schedule})

    def defaults(self, mixer: str) -> PolicyDocument:
        """Return a mixer with its published settings, complete.

        Raises:
            SpaceError: it does not take part.
        """
        self._refuse_absent(mixer)
        # A slot without a default (a guide) takes the first that the space offers.
        slots = {slot.slot: slot for slot in self.first.mixers[mixer].slots}
        needed = {k: ComponentSpec(name=next(iter(s.options))) for k, s in slots.items() if self._is_bare(mixer, k)}
        branch: dict[str, Any] = {"mixer": ComponentSpec(name=mixer), **needed}
        return self.normal(PolicyDocument(branches=(Branch(**branch),)))

    def _is_bare(self, mixer: str, slot: str) -> bool:
        return slot != "labels" and slot not in self.registry.get("mixer", mixer).obj.defaults

    def _encode_branches(self, branches: tuple[Branch, ...]) -> dict[str, Value]:
        most = 1 if self.second is None else 2
        if len(branches) > most:
            raise ValueError(f"it has {len(branches)} branches and the space {most}")
        for branch in branches:
            self._refuse_absent(branch.mixer.name)
        if self.second is None:
            return self.first.encode(branches[0], self.names)
        second = self.second
        heavy, *light = sorted(branches, key=lambda branch: (-branch.weight, branch.mixer.name in second.mixers))
        encoded = {"branches": len(branches), **self.first.encode(heavy, self.names)}
        for branch in light:
            encoded |= _SHARE.encode("share2", _share(branch.weight, heavy.weight))
            encoded |= second.encode(branch, self.names)
        return encoded

    def _encode_wide(self, policy: PolicyDocument) -> dict[str, Value]:
        values = {"label_smoothing": policy.label_smoothing}
        if policy.is_mixing:
            values |= {"start": policy.schedule.start, "stop": policy.schedule.stop}
        return {k: v for key, value in values.items() for k, v in self.wide[key].encode(key, value).items()}

    def _check_input(self, policy: PolicyDocument) -> None:
        """Refuse an input treatment that the mixers do not ask for: the space has no parameter for it."""
        wanted = complete(policy.model_copy(update={"input": None}), self.registry).input
        if policy.input and wanted and policy.input.name != wanted.name:
            raise ValueError(f"its input is {policy.input.name!r} but its mixers ask for {wanted.name!r}")

    def _refuse_absent(self, mixer: str) -> None:
        if mixer not in self.first.mixers:
            reason = dict(self.left_out).get(mixer, "no loaded plugin has it")
            raise SpaceError(f"the mixer {mixer!r} does not take part ({reason})")

    # Names, tables and identity.

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Everything that is chosen or fixed, in the order in which it is asked for."""
        return tuple(self._walk())

    @cached_property
    def names(self) -> Names:
        """Path of each leaf -> its name in a study."""
        return name_leaves(self.leaves)

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """Every Optuna parameter that `suggest` can ask for, by name."""
        found: list[Parameter] = []
        for leaf in self.leaves:
            recorder = Recorder()
            leaf.domain.suggest(recorder, self.names[leaf.path])
            found += recorder.under(leaf.condition)
        for node in (self.first, self.second) if self.second else (self.first,):
            for name, mixer in node.mixers.items():
                recorder = Recorder()
                for path, component in mixer.components((node.key, name)):
                    component.record_own(recorder, self.names, path)
                found += recorder.under(f"{node.key} = {name}")
        named: dict[str, Parameter] = {}
        for parameter in found:
            # What a declaration says of a name comes first and stays.
            named.setdefault(parameter.name, parameter)
        return named

    def summary(self) -> list[SummaryRow]:
        """Return one row per searched parameter, for tables."""
        return [SummaryRow(p.name, p.type, p.range, p.scale, p.condition) for p in self.parameters.values()]

    def outline(self) -> dict[str, str]:
        """Return name -> range of everything searched or fixed: what must not change within a study."""
        fixed = {self.names[leaf.path]: leaf.domain.describe() for leaf in self.leaves if not leaf.domain.is_free}
        return dict(sorted({**fixed, **{name: str(p) for name, p in self.parameters.items()}}.items()))

    def signature(self) -> str:
        """Return 16 hexadecimal digits that are equal for spaces with equal `outline`."""
        return signature_of(self.outline())

    def _walk(self) -> Iterator[Leaf]:
        yield from self.first.leaves()
        if self.second is not None:
            yield Leaf(("branches",), _COUNT)
            yield Leaf(("share2",), _SHARE, "branches = 2")
            yield from self.second.leaves("branches = 2")
        for key, domain in self.wide.items():
            yield Leaf((key,), domain, "" if key == "label_smoothing" else "not only none")


def _weighted(branch: Branch, weight: float) -> Branch:
    return branch.model_copy(update={"weight": weight})


def _merged(branches: tuple[Branch, ...]) -> tuple[Branch, ...]:
    """Add up the weights of equal branches; one that is alone weighs 1."""
    merged: list[Branch] = []
    for branch in branches:
        same = [i for i, kept in enumerate(merged) if _weighted(kept, branch.weight) == branch]
        if same:
            merged[same[0]] = _weighted(branch, merged[same[0]].weight + branch.weight)
        else:
            merged.append(branch)
    return tuple(merged) if len(merged) > 1 else (_weighted(merged[0], 1.0),)


def _share(weight: float, other: float) -> float:
    """Return a weight's share; where the two already add up to 1, exactly as it was written."""
    total = weight + other
    return weight if abs(total - 1.0) < 1e-9 else weight / total
