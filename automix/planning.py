"""From what a user asked to a study that can run: open the data, choose settings, compose the space, name the arms."""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automix import __version__
from automix.data import DataSet, open_data
from automix.errors import AutomixError, SettingError
from automix.goal import ACCURACY, Goal, goal_of
from automix.policy import SLOTS, Branch, ComponentSpec, PolicyDocument, complete
from automix.presets import Preset, parse_time, preset_of
from automix.search.config import Arm, StudyConfig
from automix.search.fidelity import Fidelity, budget_warnings
from automix.search.folder import StudyFolder
from automix.search.successor import follow, succession_note
from automix.spaces import Facts, Space, compose, load_space
from automix.spaces.facts import on_patches, unmet
from automix.training.defaults import default_settings
from automix.training.settings import TrainSettings
from automix.zoo.arms import Remembered, remembered_arms

if TYPE_CHECKING:
    from automix.manager import PluginHost
    from automix.registry import Registry

__all__ = ["SearchPlan", "SearchRequest", "plan_search"]

_REFERENCES = ("none", "trivialmix", "timm_default", "deit")
_FEW_REFERENCES = _REFERENCES[:3]
_MAX_SEEDS = 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSIONED = ("torch", "torchvision", "timm", "optuna", "mlflow")


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What a user may ask of a search; None where the preset, the data or the model decides.

    Args:
        data: text that names a data set ("digits", "folder:DIR", ...), or a map-style torch data set.
        preset: "smoke", "quick" or "standard".
        space: name of a shipped search space, or a YAML file.
        trials: slots, reference arms included.
        budget: time such as "2h"; no slot is begun that would not fit.
        epochs: of a whole training; a trial may have less, see ``fidelity``.
        final_epochs: how long you will train in the end; as long as ``epochs`` by default. For warnings alone.
        fidelity: share of the whole training that a trial gets: "full", "epochs:S" or "images:S".
        goal: what is ranked by and decided: "accuracy", "balanced_accuracy", "log_loss", "calibration", "robustness",
            "images_per_s", or a metric of a plugin.
        model: a timm name, or "auto".
        pretrained: start from timm's published weights.
        batch_size: images per step.
        lr: peak learning rate.
        image_size: side in pixels.
        limit: training images to keep.
        label_noise: share of training labels that is redrawn.
        strict: refuse unreadable images.
        workers: trials at a time.
        device: "auto", "cpu", "cuda" or "cuda:N".
        seed: of everything.
        confirm: fresh seeds on which the best policies and the references are trained again; 0 for no verdict.
        memory: whether policies that won on the nearest data sets take part, where the preset has them.
        name: of the study; made from the request where it is not given, so that the same request finds its study again.
        work: work folder.
        out: folder for results.
    """

    data: object = "digits"
    preset: str = "quick"
    space: str | None = None
    trials: int | None = None
    budget: str | None = None
    epochs: int | None = None
    final_epochs: int | None = None
    fidelity: str = "full"
    goal: str = ACCURACY.name
    model: str = "auto"
    pretrained: bool = False
    batch_size: int | None = None
    lr: float | None = None
    image_size: int | None = None
    limit: int | None = None
    label_noise: float = 0.0
    strict: bool = False
    workers: int | None = None
    device: str = "auto"
    seed: int = 0
    confirm: int | None = None
    memory: bool = True
    name: str | None = None
    work: Path = Path("automix-work")
    out: Path | None = None


@dataclass(frozen=True)
class SearchPlan:
    """A search that can run.

    Args:
        request: what was asked.
        data: the opened data set, its test images kept back for the verdict.
        settings: of a whole training. A trial has the share of it that ``fidelity`` says.
        space: composed and filtered.
        config: of the study.
        host: the plugins.
        budget_s: seconds, or None.
        confirm: fresh seeds.
        n_best: policies of the ranking that are trained on them, beside the references.
        notes: what the user should know before it starts.
    """

    request: SearchRequest
    data: DataSet
    settings: TrainSettings
    space: Space
    config: StudyConfig
    host: PluginHost
    budget_s: float | None
    confirm: int
    n_best: int
    notes: tuple[str, ...]

    @property
    def goal(self) -> Goal:
        """What is ranked by and decided."""
        return goal_of(self.config.goal)

    @property
    def fidelity(self) -> Fidelity:
        """Share of the whole training that a trial gets."""
        return Fidelity.of(self.config.fidelity)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say where trials or the verdict speak of another regime than the training that is meant."""
        return budget_warnings(self.fidelity, self.settings.epochs, self.config.final_epochs)

    @property
    def work(self) -> Path:
        """The work folder, absolute."""
        return self.request.work.resolve()

    @property
    def out(self) -> Path:
        """Where results go, absolute."""
        return Path(self.config.out).resolve()


def plan_search(
    request: SearchRequest, host: PluginHost, progress: Callable[[int, int, str], None] | None = None
) -> SearchPlan:
    """Open the data and fix everything that a study depends on; nothing is trained yet.

    Args:
        request: what the user asked.
        host: the plugins.
        progress: told how decoding gets on.

    Raises:
        AutomixError: something asked for is not possible; the message says what to do.
    """
    preset = preset_of(request.preset)
    budget = None if request.budget is None else parse_time(request.budget)
    _check(request)
    fidelity = Fidelity.parse(request.fidelity)
    space_name = request.space or preset.space
    document = load_space(space_name)
    registry = host.registry
    goal = goal_of(request.goal, {entry.name: entry.obj for entry in registry.entries("metric")})
    openers = {entry.name: entry.obj for entry in registry.entries("data_source")}
    data = open_data(
        request.data,
        work=request.work,
        image_size=request.image_size,
        limit=request.limit,
        label_noise=request.label_noise,
        seed=request.seed,
        strict=request.strict,
        sources=openers,
        progress=progress,
    ).without_test()
    settings = _settings(request, preset, data, space_name)
    facts = _facts(data, fidelity.settings(settings, len(fidelity.data(data, request.seed).splits["train"])))
    space = compose(document, registry, facts)
    arms, notes = _arms(preset, space, registry, facts)
    trials = preset.trials if request.trials is None else request.trials
    name = request.name or _study_name(request, preset, data, settings, space)
    if request.memory and preset.has_memory_arms:
        folder = StudyFolder(request.work.absolute(), name)
        remembered = _remembered(folder, data, space, facts, arms, room=trials - len(arms) - 1)
        # Right after no mixing: what won elsewhere is the best guess there is before anything is known.
        arms = [arms[0], *remembered.arms, *(arm for arm in arms[1:] if arm not in remembered.arms)]
        notes += remembered.notes
    if trials <= len(arms):
        raise SettingError(
            f"Expected `trials` above {len(arms)}, the number of reference arms "
            f"({', '.join(arm.name for arm in arms)}), but got {trials} (--trials)."
        )
    config = StudyConfig(
        name=name,
        study_id=uuid.uuid4().hex,
        data_key=data.key,
        data_name=data.name,
        data_spec=data.spec,
        data_hash=data.fingerprint.content_hash,
        settings=settings.to_dict(),
        space=document.model_dump(mode="json", by_alias=True),
        facts=_plain(facts),
        space_signature=space.signature(),
        plugins=host.signature(),
        arms=tuple(arms),
        n_trials=trials,
        n_startup_trials=preset.startup,
        seed=request.seed,
        out=str((request.out or Path("automix-out") / name).resolve()),
        goal=goal.name,
        fidelity=asdict(fidelity),
        final_epochs=request.final_epochs,
        asked=_plain_request(request),
        versions={"automix": __version__, **{package: version(package) for package in _VERSIONED}},
    )
    config = follow(request.work, config, space)
    if succession := succession_note(request.work, config):
        notes.insert(0, succession)
    confirm = preset.confirm if request.confirm is None else request.confirm
    warnings = budget_warnings(fidelity, settings.epochs, request.final_epochs)
    return SearchPlan(request, data, settings, space, config, host, budget, confirm, preset.best, (*notes, *warnings))


def _check(request: SearchRequest) -> None:
    """Refuse what cannot be right whatever the data are, before they are decoded.

    Raises:
        SettingError: a value is out of its range.
    """
    if request.name is not None and not _NAME.fullmatch(request.name):
        raise SettingError(
            f"Expected a study name of letters, digits, '.', '_' and '-' but got {request.name!r} (--name)."
        )
    for name in ("trials", "epochs", "final_epochs", "batch_size", "workers", "confirm", "seed"):
        value, lowest = getattr(request, name), 0 if name in ("confirm", "seed") else 1
        if value is not None and value < lowest:
            raise SettingError(f"Expected `{name}` of at least {lowest} but got {value} (--{name.replace('_', '-')}).")
    if request.confirm is not None and (request.confirm == 1 or request.confirm > _MAX_SEEDS):
        raise SettingError(
            f"Expected `confirm` of 0 or from 2 (one seed has no spread) to {_MAX_SEEDS} but got {request.confirm} "
            f"(--confirm)."
        )
    if request.lr is not None and not 0 < request.lr < math.inf:
        raise SettingError(f"Expected `lr` above 0 and finite but got {request.lr:g} (--lr).")


def _settings(request: SearchRequest, preset: Preset, data: DataSet, space_name: str) -> TrainSettings:
    batch_size = request.batch_size or min(64, max(2, len(data.splits["train"]) // 4))
    return default_settings(
        request.model,
        data,
        space_hint=Path(space_name).stem,
        pretrained=request.pretrained,
        epochs=preset.epochs if request.epochs is None else request.epochs,
        batch_size=batch_size,
        lr=request.lr,
        device=request.device,
        seed=request.seed,
    )


def _facts(data: DataSet, settings: TrainSettings) -> Facts:
    """Look at the model once: what it can serve decides who takes part."""
    import torch

    from automix.mixing.probes import PROBES, anatomy, missing_probes
    from automix.training.models import build_model

    model = build_model(
        settings.model, num_classes=data.num_classes, channels=data.channels, image_size=data.image_size
    )
    made_of = anatomy(model)
    missing = missing_probes(model, torch.zeros(2, data.channels, *data.image_size))
    return Facts(
        task=data.task,
        num_classes=data.num_classes,
        channels=data.channels,
        image_size=data.image_size,
        batch_size=settings.batch_size,
        has_attention="attention_map" not in missing,
        has_spatial_features="features" not in missing and not made_of.reads,
        probes=frozenset(PROBES) - frozenset(missing),
        missing=missing,
        patch_grid=made_of.side_in_patches(data.image_size),
    )


def _arms(preset: Preset, space: Space, registry: Registry, facts: Facts) -> tuple[list[Arm], list[str]]:
    """Choose reference arms: no mixing first, then registered policies, then methods as published; equal ones once."""
    notes: list[str] = []
    arms: dict[str, Arm] = {}
    references = (*_REFERENCES, *space.document.references) if preset.has_method_arms else _FEW_REFERENCES
    for name, document in _candidates(references, preset, space, registry, facts, notes):
        twin = arms.setdefault(document.key(), Arm(name=name, policy=document.to_dict()))
        if twin.name != name:
            notes.append(f"The reference {name!r} is the same policy as {twin.name!r}; it is trained once.")
    return list(arms.values()), notes


def _candidates(
    references: tuple[str, ...], preset: Preset, space: Space, registry: Registry, facts: Facts, notes: list[str]
) -> Iterator[tuple[str, PolicyDocument]]:
    for name in references:
        if name not in registry.names("policy"):
            notes.append(f"The reference policy {name!r} is not installed.")
            continue
        try:
            document = PolicyDocument.from_dict(registry.policy(name))
            is_recipe = name in space.document.references
            document = complete(_fitting(document, registry, facts, is_whole=is_recipe), registry)
        except AutomixError as err:
            notes.append(f"The reference policy {name!r} cannot take part: {err}")
            continue
        yield name, document
    if preset.has_method_arms:
        for mixer in space.mixers:
            yield mixer, space.defaults(mixer)


def _fitting(document: PolicyDocument, registry: Registry, facts: Facts, *, is_whole: bool) -> PolicyDocument:
    """Leave out the branches that these data or this model cannot serve, and count in the model's own patches.

    Args:
        document: a registered policy.
        registry: where its parts are looked up.
        facts: of data and model.
        is_whole: whether it means nothing without one of its branches, as a paper's recipe.

    Raises:
        SettingError: too little is left; the message says why.
    """
    reasons = [_hindrance(branch, registry, facts) for branch in document.branches]
    if all(reasons) or (is_whole and any(reasons)):
        raise SettingError(f"{'; '.join(sorted(set(reasons) - {''}))}.")
    kept = [branch for branch, reason in zip(document.branches, reasons, strict=True) if not reason]
    return document.model_copy(update={"branches": tuple(on_patches(branch, registry, facts) for branch in kept)})


def _hindrance(branch: Branch, registry: Registry, facts: Facts) -> str:
    """Say why a branch cannot work here; empty where it can."""
    for kind in SLOTS:
        part: ComponentSpec | None = getattr(branch, kind)
        if part is None:
            continue
        if part.name not in registry.names(kind):
            return f"{kind} {part.name!r} is not installed"
        if reason := unmet(registry.get(kind, part.name).obj, facts):
            return f"{kind} {part.name!r} {reason}"
    return ""


def _remembered(
    folder: StudyFolder, data: DataSet, space: Space, facts: Facts, arms: list[Arm], room: int
) -> Remembered:
    """Choose winners of earlier studies that all parts of work with these data and this model, up to ``room``."""

    def fit(document: PolicyDocument) -> PolicyDocument:
        whole = space.normal(document)
        if any(_hindrance(branch, space.registry, facts) for branch in whole.branches):
            raise SettingError("one of its mixers does not work with these data or this model.")
        return whole

    return remembered_arms(folder, data.fingerprint, fit=fit, references=arms[1:], room=room)


def _study_name(request: SearchRequest, preset: Preset, data: DataSet, settings: TrainSettings, space: Space) -> str:
    """Name the study by its data and what was asked, so that the same command finds it again.

    Number of trials, workers and budget may change from one start to the next; what the data hold is compared by
    itself.
    """
    asked = {
        "data": data.spec,
        "limit": request.limit,
        "label_noise": request.label_noise,
        "image_size": request.image_size,
        "settings": {key: value for key, value in settings.to_dict().items() if key != "device"},
        "space": space.document.name,
        "preset": request.preset,
        "seed": request.seed,
        # Only where they were asked for, so that a study of an earlier version keeps its name.
        **({"memory": False} if preset.has_memory_arms and not request.memory else {}),
        **({"goal": request.goal} if request.goal != ACCURACY.name else {}),
        **({"fidelity": str(fidelity)} if not (fidelity := Fidelity.parse(request.fidelity)).is_full else {}),
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:6]
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", data.name).strip("-._") or "data"
    return f"{base[:40]}-{digest}"


def _plain(facts: Facts) -> dict[str, Any]:
    """Write facts as JSON can hold them."""
    return {**asdict(facts), "image_size": list(facts.image_size), "probes": sorted(facts.probes)}


def _plain_request(request: SearchRequest) -> dict[str, Any]:
    """Write a request as JSON can hold it, without the places; empty where the images are an object of Python's."""
    if not isinstance(request.data, str):
        return {}
    return {name: value for name, value in vars(request).items() if name not in ("name", "work", "out")}
