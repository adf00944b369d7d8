"""automix for Python users: what the command line calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automix.artifacts import unpack
from automix.confirming import choose_too, confirm, is_confirmable, is_unfinished, stored_confirmation
from automix.costing import Books, known_slots, machine_for, measure_cost
from automix.errors import SettingError, StudyError, unknown_name
from automix.outputs import export_results, method_sheet
from automix.planning import SearchPlan, SearchRequest, plan_search
from automix.policy import PolicyDocument, compile_policy, load_document, published, read_document, read_file
from automix.search.config import save_config, settled_config
from automix.search.cost import Meter
from automix.search.estimate import Estimator
from automix.search.folder import StudyFolder
from automix.search.ledger import Ledger
from automix.search.progress import Progress
from automix.search.reading import result_of
from automix.search.result import SearchResult
from automix.search.run import run_search, study_lock
from automix.search.supervisor import Ending
from automix.storage import optuna_storage
from automix.tracking import Tracker, artifact_root, tracking_uri

if TYPE_CHECKING:
    from automix.manager import PluginHost
    from automix.mixing.inputs import Normalization
    from automix.policy import PolicyMixer
    from automix.registry import Registry

__all__ = ["confirm_study", "execute", "load_policy", "preview", "search"]


def _ignore(_: object) -> None:
    """Tell nobody."""


def load_policy(
    path: str | Path,
    *,
    num_classes: int,
    task: str = "single",
    normalization: Normalization | None = None,
    seed: int = 0,
    host: PluginHost | None = None,
) -> PolicyMixer:
    """Load a policy file for use in a training loop.

    Args:
        path: a ``policy.yaml``; or the name of a registered policy ("timm_default", "trivialmix", ...) where there is
            no such file.
        num_classes: number of classes of your data.
        task: "single" for one label per image.
        normalization: (mean, std) per channel, in units of pixel value / 255, with which your images are normalised.
            Only some
            policies need it (BC+), and say so.
        seed: of the mixing; give every run of a repeated experiment its own.
        host: plugins that are loaded already.

    Returns:
        An object used as ``images, targets = mix(images, labels)`` or ``loss = mix.loss(model, images, labels)``, on
        any device.

    Raises:
        PolicyError, UnknownNameError, SettingError: the file is missing or wrong; file and line are named.
        ArtifactError: a file that the policy needs is missing or changed, or names none for what must be made from
            training images.
    """
    registry = (host or _build_host()).registry
    if not Path(path).exists() and str(path) in registry.names("policy"):
        document = PolicyDocument.from_dict(registry.policy(str(path)))
        mix = compile_policy(
            document, registry, num_classes=num_classes, task=task, seed=seed, normalization=normalization
        )
    else:
        document, file = read_document(path)
        for name in document.files:
            read_file(document, path, name)
        mix = compile_policy(
            document,
            registry,
            num_classes=num_classes,
            task=task,
            seed=seed,
            normalization=normalization,
            where=file.where,
        )
    unpack(mix, Path(path))
    return mix


def search(
    data: object = "digits",
    *,
    listener: Callable[[Progress], None] = _ignore,
    announce: Callable[[str], None] = _ignore,
    host: PluginHost | None = None,
    **options: Any,
) -> SearchResult:
    """Find the mixing policy that helps a data set, or that none does; does what ``automix search`` does.

    Called again with the same arguments it goes on where it was stopped.

    Args:
        data: "digits", "folder:DIR", "npz:FILE", "csv:FILE", "torchvision:NAME", or any map-style
            ``torch.utils.data.Dataset``.
        listener: told several times a second how the search stands.
        announce: told one line before something that takes long.
        host: plugins that are loaded already.
        options: see `automix.planning.SearchRequest`.

    Returns:
        The ranking, the best policy, the verdict, and where everything lies. The results folder is ``result.out``.

    Raises:
        AutomixError: something asked for is not possible; the message says what to do.

    Example:
        ``result = automix.search("folder:photos", preset="quick", model="resnet18")``
    """
    known = SearchRequest.__dataclass_fields__
    for option in options:
        if option not in known:
            raise unknown_name("option of search", option, known)
    values: dict[str, Any] = {k: Path(v) if k in ("work", "out") and v else v for k, v in options.items()}
    plan = plan_search(SearchRequest(data=data, **values), host or _build_host())
    announce("Measuring a few training steps of every method.")
    return execute(plan, listener=listener, announce=announce, estimator=measure_cost(plan))


def execute(
    plan: SearchPlan,
    *,
    listener: Callable[[Progress], None] = _ignore,
    announce: Callable[[str], None] = _ignore,
    estimator: Estimator | None = None,
) -> SearchResult:
    """Run a planned search and write its results.

    Args:
        plan: from `automix.planning.plan_search`.
        listener: told how the search stands.
        announce: told one line before something that takes long.
        estimator: from `automix.costing.measure_cost`; without one, nothing is said of cost and time left until epochs
            have been trained.

    Raises:
        SettingError: the budget holds no trial.
    """
    tracker = Tracker(tracking_uri(plan.work), artifact_root(plan.work))
    books = Books(plan, estimator, listener)
    result = run_search(
        plan.config,
        work=plan.work,
        host=plan.host,
        data=plan.data,
        machine=machine_for(plan),
        budget_s=_search_budget(plan, estimator),
        estimator=estimator,
        listener=books.follow,
        announce=announce,
        export=lambda result: _finish(plan, result, tracker, announce, books),
        parameters=list(plan.space.parameters),
    )
    if is_unfinished(plan, result):
        return replace(result, ending=Ending.STOPPED)
    confirmation = stored_confirmation(plan, result)
    return result if confirmation is None else replace(result, verdict=confirmation.verdict)


def confirm_study(
    plan: SearchPlan, policies: Sequence[str] = (), announce: Callable[[str], None] = _ignore
) -> SearchResult:
    """Come to a verdict on what a search has found so far, and write its results again; the search itself rests.

    Args:
        plan: of the study; ``confirm`` is the number of fresh seeds. Those that are trained already are kept.
        policies: reference arms, or numbers of slots, to be trained beside the best and the references.
        announce: told how it gets on.

    Returns:
        What was found; its ending is STOPPED where it was stopped.

    Raises:
        StudyError: the study is running, or there is nothing to compare.
        UnknownNameError: a policy is no slot or arm that trained to the end.
    """
    folder = StudyFolder(plan.work, plan.config.name)
    with study_lock(folder):
        config = settled_config(folder, plan.config)
        ledger = Ledger(optuna_storage(folder.optuna_file), config.name, goal=plan.goal)
        result = result_of(config, folder, ledger, Ending.COMPLETE)
        if policies:
            choose_too(result, policies)
        if not is_confirmable(plan, result):
            raise StudyError(
                f"Study {config.name!r} has nothing to compare: no mixing and another policy must have trained to the "
                f"end, and a number of fresh seeds be given (--seeds)."
            )
        save_config(folder, config)
        tracker = Tracker(tracking_uri(plan.work), artifact_root(plan.work))
        confirmation = confirm(plan, result, machine_for(plan), announce)
        export_results(plan, result, tracker, confirmation)
    return replace(result, ending=Ending.STOPPED) if is_unfinished(plan, result) else result


def _finish(
    plan: SearchPlan, result: SearchResult, tracker: Tracker, announce: Callable[[str], None], books: Books
) -> Path | None:
    """Write the results; then come to a verdict, which takes longer, and write them again."""
    books.add(result.spent, is_whole=result.is_complete and not plan.confirm)
    policy = export_results(plan, result, tracker)
    meter = Meter()
    with meter.running():
        confirmation = confirm(plan, result, machine_for(plan), announce)
    books.add(meter.cost, is_whole=result.is_complete and not is_unfinished(plan, result))
    return policy if confirmation is None else export_results(plan, result, tracker, confirmation)


def _search_budget(plan: SearchPlan, estimator: Estimator | None) -> float | None:
    """Return what a budget leaves for the search itself, seconds.

    Raises:
        SettingError: less than a trial.
    """
    if plan.budget_s is None or estimator is None:
        return plan.budget_s
    estimate = estimator.estimate(known_slots(plan))
    left_s = plan.budget_s - estimate.confirm.wall_s
    if estimate.n_trials and left_s < estimate.trial.wall_s:
        needed_s = estimate.confirm.wall_s + estimate.trial.wall_s
        raise SettingError(
            f"Expected a budget of at least {needed_s:.0f} s, for one trial and {estimate.n_trainings} trainings on "
            f"fresh seeds, but got {plan.budget_s:.0f} s (--budget). Fewer --epochs or --confirm 0 need less."
        )
    return left_s


def preview(
    data: object = "digits",
    *,
    methods: Sequence[str] = (),
    policies: Sequence[str | Path] = (),
    pairs: int = 8,
    host: PluginHost | None = None,
    work: str | Path = "automix-work",
    **options: Any,
) -> bytes:
    """Draw your own images under mixing methods.

    Args:
        data: as for `search`.
        methods: names of mixers, with their published settings; where neither methods nor policies are given, all
            but ``none`` and those that leave their guide open.
        policies: policy files, or names of registered policies.
        pairs: columns of the sheet, at least 1.
        host: plugins that are loaded already.
        work: work folder, for decoded images.
        options: image_size, limit, seed and strict, as for `search`.

    Returns:
        A PNG file.
    """
    from automix.data import open_data

    if pairs < 1:
        raise SettingError(f"Expected at least 1 pair but got {pairs}.")
    registry = (host or _build_host()).registry
    sources = {entry.name: entry.obj for entry in registry.entries("data_source")}
    opened = open_data(data, work=Path(work), sources=sources, **options)
    names = methods or ([] if policies else _that_stand_alone(registry))
    shown = {}
    for name in names:
        if name not in registry.names("mixer"):
            raise unknown_name("mixer", name, registry.names("mixer"), "--methods")
        shown[name] = published(registry, name)
    for policy in policies:
        is_registered = not Path(policy).exists() and str(policy) in registry.names("policy")
        document = PolicyDocument.from_dict(registry.policy(str(policy))) if is_registered else load_document(policy)
        shown[str(policy)] = document
    return method_sheet(opened, shown, registry, pairs)


def _that_stand_alone(registry: Registry) -> list[str]:
    """Name the mixers that need no further choice, such as a guide that looks at a model."""
    mixers = {name: registry.get("mixer", name).obj for name in registry.names("mixer") if name != "none"}
    return [name for name, mixer in mixers.items() if "guide" not in mixer.reads or "guide" in mixer.defaults]


def _build_host() -> PluginHost:
    from automix.manager import build_host

    return build_host()
