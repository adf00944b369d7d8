"""From a document to an object that mixes: look up names, check parameters, fill slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from automix.errors import AutomixError, PolicyError, SettingError, listed, unknown_name
from automix.mixing.component import Component
from automix.mixing.guide import Guide
from automix.mixing.inputs import InputTreatment, Normalization
from automix.mixing.labels import LabelRule
from automix.mixing.mixer import Mixer
from automix.mixing.requires import Requires
from automix.policy.document import Branch, ComponentSpec, PolicyDocument
from automix.policy.mixer import PolicyMixer
from automix.policy.step import CompiledBranch
from automix.registry import Registry

__all__ = ["compile_policy", "complete", "published"]

Where = Callable[..., str]
"""Says file and line of a part of the document, as `automix.policy.yamlfile.YamlFile.where` does."""


def _nowhere(*path: str | int) -> str:
    return "policy" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def compile_policy(
    document: PolicyDocument,
    registry: Registry,
    *,
    num_classes: int,
    task: str = "single",
    seed: int = 0,
    normalization: Normalization | None = None,
    where: Where = _nowhere,
) -> PolicyMixer:
    """Build the mixing object of a policy.

    Args:
        document: the policy.
        registry: where names are looked up.
        num_classes: K of the data at hand.
        task: "single" or "multi".
        seed: of the mixing streams.
        normalization: (mean, std) per channel with which the images that it will get are normalised; only some input
            treatments
            need it, and say so.
        where: says file and line of a part of the document, for messages.

    Raises:
        UnknownNameError: a component or parameter that is not registered.
        PolicyError, SettingError: a value out of range, a slot that a mixer does not read, classes that do not fit.
    """
    if num_classes < 2:
        raise SettingError(f"Expected `num_classes` >= 2 but got {num_classes}.")
    # Numbers alone fit any label set; what lies in files was fitted to the classes of the search.
    if document.files and document.classes and len(document.classes) != num_classes:
        made_for = f"{len(document.classes)} classes ({where('classes')})"
        raise PolicyError(f"This policy was made for {made_for} but num_classes is {num_classes}.")
    branches = _compile_branches(document, registry, task, where)
    treatment = _input_treatment(document, branches, registry, normalization, where)
    return PolicyMixer(document, branches, treatment, num_classes=num_classes, task=task, seed=seed)


def complete(document: PolicyDocument, registry: Registry, where: Where = _nowhere) -> PolicyDocument:
    """Write out every slot and parameter, so that policies that train alike have one key.

    Raises:
        As `compile_policy`.
    """
    branches = _compile_branches(document, registry, "single", where)
    full = tuple(
        Branch.model_validate({"weight": old.weight, **new.config()})
        for old, new in zip(document.branches, branches, strict=True)
    )
    treatment = document.input or ComponentSpec(name=_wanted_input(branches))
    return document.model_copy(update={"branches": full, "input": treatment})


def published(registry: Registry, mixer: str) -> PolicyDocument:
    """Make the policy of one mixer with its defaults; a slot that it leaves open gets what works with any data.

    Raises:
        UnknownNameError: a mixer that is not registered.
        PolicyError: nothing of the kind is registered.
    """
    kind = cast("type[Mixer]", _lookup(registry, "mixer", mixer, "the mixers"))
    branch: dict[str, Any] = {"mixer": ComponentSpec(name=mixer)}
    for slot in _open_slots(kind):
        fitting = [name for name in registry.names(slot) if _works_anywhere(registry.get(slot, name).obj)]
        if not fitting:
            raise PolicyError(f"The mixer {mixer!r} needs a {slot}, and none that works with any data is installed.")
        branch[slot] = ComponentSpec(name=fitting[0])
    return PolicyDocument(branches=(Branch(**branch),))


def _works_anywhere(kind: type[Component]) -> bool:
    """Whether a component needs nothing of the model, and no preparation."""
    if not issubclass(kind, Guide):
        return True
    return kind.requires == Requires() and kind.prepare is Guide.prepare


def _compile_branches(document: PolicyDocument, registry: Registry, task: str, where: Where) -> list[CompiledBranch]:
    def within(i: int) -> Where:
        return lambda *path: where("branches", i, *path)

    return [_compile_branch(branch, registry, task, within(i)) for i, branch in enumerate(document.branches)]


def _compile_branch(branch: Branch, registry: Registry, task: str, where: Where) -> CompiledBranch:
    kind = cast("type[Mixer]", _lookup(registry, "mixer", branch.mixer.name, where("mixer")))
    if task not in kind.requires.tasks:
        raise PolicyError(f"The mixer {kind.name!r} is not made for task {task!r} ({where('mixer')}).")
    slots: dict[str, Component] = {}
    for slot in ("ratio", "pairing", "guide", "labels"):
        spec = getattr(branch, slot)
        if spec is None:
            continue
        if slot not in kind.reads:
            reads = ", ".join(sorted(kind.reads)) or "no slot"
            raise PolicyError(f"The mixer {kind.name!r} reads {reads}, not `{slot}` ({where(slot)}): leave it out.")
        slots[slot] = _build(registry, slot, spec, where)
    for slot in _open_slots(kind) - slots.keys():
        known = listed(registry.names(slot)) or "none is installed"
        raise PolicyError(f"The mixer {kind.name!r} needs a {slot} ({where('mixer')}): name one as `{slot}` ({known}).")
    labels = cast("LabelRule | None", slots.pop("labels", None))
    mixer = _build(registry, "mixer", branch.mixer, where, **slots)
    rule = labels or cast(LabelRule, registry.create("labels", "area"))
    if task not in rule.requires.tasks:
        raise PolicyError(f"The label rule {rule.name!r} is not made for task {task!r} ({where('labels')}).")
    return CompiledBranch(weight=branch.weight, mixer=cast(Mixer, mixer), labels=rule)


def _open_slots(kind: type[Mixer]) -> set[str]:
    """Name the slots that a mixer reads and leaves to others."""
    return set(kind.reads - {"labels"} - kind.defaults.keys())


def _build(registry: Registry, kind: str, spec: ComponentSpec, where: Where, **extra: Any) -> Component:
    """Create one component; every complaint names its place."""
    cls = _lookup(registry, kind, spec.name, where(kind))
    unknown = [key for key in spec.params if key not in cls.params]
    if unknown:
        raise unknown_name(f"parameter of {spec.name}", unknown[0], cls.params, where(kind, unknown[0]))
    cls.check(spec.params, where=f"{kind} {spec.name} in {where(kind)}")
    return cls(**spec.params, **extra)


def _lookup(registry: Registry, kind: str, name: str, where: str) -> type[Component]:
    if name not in registry.names(kind):
        raise unknown_name(kind, name, registry.names(kind), where)
    return cast("type[Component]", registry.get(kind, name).obj)


def _input_treatment(
    document: PolicyDocument,
    branches: list[CompiledBranch],
    registry: Registry,
    normalization: Normalization | None,
    where: Where,
) -> InputTreatment:
    spec = document.input or ComponentSpec(name=_wanted_input(branches))
    cls = cast("type[InputTreatment]", _lookup(registry, "input", spec.name, where("input")))
    params = dict(spec.params)
    statistics = params.pop("statistics", None)
    try:
        return cls(statistics=statistics, normalization=normalization, **cls.check(params, where("input")))
    except (TypeError, ValueError) as err:
        if isinstance(err, AutomixError):
            raise
        place = where("input")
        raise PolicyError(f"Expected `statistics` as numbers per channel ({place}) but got {statistics!r}.") from err


def _wanted_input(branches: list[CompiledBranch]) -> str:
    """Name the input treatment that the mixers ask for.

    Raises:
        PolicyError: they ask for different ones, and one network can only see one.
    """
    wanted = {branch.mixer.input_name for branch in branches} - {"standard"}
    if len(wanted) > 1:
        names = ", ".join(sorted(wanted))
        raise PolicyError(f"These branches need different input treatments ({names}): name one as `input`.")
    return wanted.pop() if wanted else "standard"
