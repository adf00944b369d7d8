"""A registry of small fakes that cover what declarations can say, and the real one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from automix.manager import build_host
from automix.mixing import (
    AreaLabels,
    Batch,
    BetaLaw,
    BlendMixer,
    Card,
    Choice,
    Component,
    DifferentClassPairing,
    FixedLaw,
    Float,
    Guide,
    Int,
    KeepPlan,
    LabelRule,
    Mixer,
    PairPlan,
    RandomPairing,
    Requires,
    StandardInput,
    TruncatedBetaLaw,
    UniformLaw,
)
from automix.mixing.domains import Domain, TrialLike
from automix.registry import Entry, Registry
from automix.spaces import Facts, Space, SpaceDocument, compose


class _None(Mixer):
    name = "none"
    card = Card(title="None", summary="Nothing.")

    def draw(self, batch: Batch, generator: torch.Generator) -> KeepPlan:
        return KeepPlan(n=len(batch))


class _Blend(BlendMixer):
    name = "blend"
    card = Card(title="Blend", summary="A blend.")

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> PairPlan:
        return PairPlan(perm=perm, lam=lam)


class _Waves(_Blend):
    """Has a choice, a parameter that depends on it, one that can be off, and an ordered pair."""

    name = "waves"
    defaults: ClassVar[Mapping[str, Component]] = {
        "ratio": UniformLaw(low=0.2, high=0.9),
        "pairing": DifferentClassPairing(),
    }
    shape = Choice("sine", choices=("sine", "square"), doc="Shape.")
    duty = Float(0.5, low=0.0, high=1.0, when={"shape": ("square",)}, doc="Duty.")
    noise = Float(0.0, low=0.1, high=10.0, scale="log", zero=True, doc="Noise.")
    near = Float(0.1, low=0.0, high=1.0, search=(0.0, 0.6), doc="Near.")
    far = Float(0.9, low=0.0, high=1.0, search=(0.4, 1.0), doc="Far.")
    grid = Int(0, low=0, high=64, doc="Grid.", searched=False)
    ordered = (("near", "far"),)


class _Steps(_Blend):
    """Draws its parameters in a way of its own: only even numbers."""

    name = "steps"
    count = Int(4, low=0, high=20, doc="Count.")

    @classmethod
    def suggest(cls, trial: TrialLike, keys: Mapping[str, str], domains: Mapping[str, Domain]) -> dict[str, Any]:
        others = {key: domain for key, domain in domains.items() if key != "count"}
        drawn = {key: domain.suggest(trial, keys[key]) for key, domain in others.items()}
        half = trial.suggest_int(keys["count"], 0, 20) // 2
        return {**drawn, "count": 2 * half}


class _Treated(_Blend):
    """May ask for an input treatment of its own."""

    name = "treated"

    @property
    def input_name(self) -> str:
        return "standard"


class _Guided(_Blend):
    """Reads a guide and has none of its own."""

    name = "guided"
    reads = frozenset({"ratio", "pairing", "labels", "guide"})
    requires = Requires(min_size_px=16)


class _Centre(Guide):
    name = "centre"
    card = Card(title="Centre", summary="The middle.")
    sigma = Float(1.0, low=0.1, high=3.0, scale="log", doc="Width.")

    def maps(self, images: Tensor, labels: Tensor, clean: Any = None) -> Tensor:
        return torch.ones(len(images), 1, *images.shape[-2:])


class _Watched(LabelRule):
    name = "watched"
    card = Card(title="Watched", summary="Looks at attention.")
    probes = frozenset({"attention"})


_FAKES: tuple[tuple[str, type[Any]], ...] = (
    *(("mixer", cls) for cls in (_None, _Blend, _Waves, _Steps, _Treated, _Guided)),
    *(("ratio", cls) for cls in (BetaLaw, UniformLaw, FixedLaw, TruncatedBetaLaw)),
    *(("pairing", cls) for cls in (RandomPairing, DifferentClassPairing)),
    *(("labels", cls) for cls in (AreaLabels, _Watched)),
    ("guide", _Centre),
    ("input", StandardInput),
)


@pytest.fixture
def registry() -> Registry:
    filled = Registry()
    for kind, cls in _FAKES:
        filled.add(Entry(cls.name, kind, cls, "fake", "fakes", "1"))
    return filled


@pytest.fixture(scope="session")
def real_registry() -> Registry:
    return build_host().registry


@pytest.fixture
def facts() -> Facts:
    return Facts(num_classes=10, channels=3, image_size=(32, 32), batch_size=64)


@pytest.fixture
def make(registry: Registry, facts: Facts) -> Callable[..., Space]:
    """Compose a space of the fakes from its fields; fields of `Facts` may be among them."""
    known = {field.name for field in dataclasses.fields(Facts)}

    def build(**fields: Any) -> Space:
        changed = {key: fields.pop(key) for key in list(fields) if key in known}
        return compose(SpaceDocument.of(**fields), registry, dataclasses.replace(facts, **changed))

    return build
