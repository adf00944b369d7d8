"""What a study is: fixed when it is made, compared when it is started again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from automix.errors import StudyError, listed
from automix.goal import ACCURACY
from automix.search.fidelity import FULL, Fidelity
from automix.search.folder import StudyFolder, replace_text
from automix.training.settings import TrainSettings

__all__ = [
    "Arm",
    "StudyConfig",
    "check_training",
    "load_config",
    "plugin_changes",
    "save_config",
    "settled_config",
]

FORMAT = "automix.study/1"
_DEVICE = "device"
_DEFAULTS = TrainSettings().to_dict()


@dataclass(frozen=True)
class Arm:
    """A reference policy that every search trains: what the sampler's proposals have to beat."""

    name: str
    policy: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Everything that the value of (policy, slot, budget) may depend on, and how many slots there are.

    Attributes:
        name: of the study.
        study_id: random; tells two studies of one name in different work folders apart.
        data_key: the decoded data set in the work folder.
        data_name: its name, for people.
        data_spec: what the user wrote.
        data_hash: of its content.
        settings: of training with the full budget (`TrainSettings.to_dict`); a trial may have less, see ``fidelity``.
        space: the search space, resolved.
        facts: what the space was filtered by (`automix.spaces.Facts` as plain data).
        space_signature: equal for equal spaces.
        plugins: registered names by kind.
        arms: reference policies, in the order of their slots.
        n_trials: number of slots. This, ``out`` and the device may change from start to start.
        n_startup_trials: finished trials before the sampler stops proposing at random.
        seed: of the sampler. Training has its own in ``settings``.
        goal: what is ranked by, as `automix.goal.goal_of` reads it.
        fidelity: share of the full budget that a trial has (`automix.search.fidelity.Fidelity`).
        final_epochs: how long the user will train in the end; None for as long as ``settings`` says. For warnings
            alone, so it may change from start to start.
        succeeds: the study that this one followed, when plugins or space changed (`automix.search.successor`).
        inherited: slot -> slot of that study, for the results that are taken over from it.
        asked: what the user asked at the latest start (`automix.planning.SearchRequest`), for `automix resume`; empty
            where the images came from Python.
        out: folder for results.
        versions: of what took part when the study was made, for the record.
    """

    name: str
    study_id: str
    data_key: str
    data_name: str
    data_spec: str
    data_hash: str
    settings: Mapping[str, Any]
    space: Mapping[str, Any]
    facts: Mapping[str, Any]
    space_signature: str
    plugins: Mapping[str, list[str]]
    arms: tuple[Arm, ...]
    n_trials: int
    n_startup_trials: int = 10
    seed: int = 0
    out: str
    versions: Mapping[str, str] = field(default_factory=dict)
    goal: str = ACCURACY.name
    fidelity: Mapping[str, Any] = field(default_factory=lambda: asdict(FULL))
    final_epochs: int | None = None
    succeeds: str = ""
    inherited: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_epochs(self) -> int:
        """Epochs of a whole trial."""
        return Fidelity.of(self.fidelity).epochs(int(self.settings["epochs"]))

    def to_json(self) -> str:
        """Write it as JSON, a line per value."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> StudyConfig:
        """Read what `to_json` wrote, also of an earlier version: what was not known then has its default.

        Raises:
            ValueError: it is something else; the message says what.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise ValueError(f"expected a study of format {FORMAT!r}")
        known = {item.name for item in fields(cls)}
        needed = {item.name for item in fields(cls) if item.default is MISSING and item.default_factory is MISSING}
        if wrong := (data.keys() - known) | (needed - data.keys()):
            raise ValueError(f"keys that are missing or unknown: {listed(wrong)}")
        arms = tuple(Arm(**arm) for arm in data.pop("arms"))
        return cls(arms=arms, **data)


def load_config(folder: StudyFolder) -> StudyConfig:
    """Read the study in a folder.

    Raises:
        StudyError: there is none, or it cannot be read.
    """
    try:
        return StudyConfig.from_json(folder.config_file.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise StudyError(
            f"There is no study {folder.name!r} in {str(folder.work)!r}; `automix search --name` makes one."
        ) from err
    except (ValueError, TypeError) as err:
        raise StudyError(
            f"The study {folder.name!r} cannot be read ({folder.config_file}): {err}. "
            f"It was made by another version or damaged; choose another --name."
        ) from err


def save_config(folder: StudyFolder, config: StudyConfig) -> None:
    """Write the study to its folder, whole or not at all."""
    replace_text(folder.config_file, config.to_json())


def settled_config(folder: StudyFolder, asked: StudyConfig) -> StudyConfig:
    """Return the study as it stands: as it was made, with what may change from start to start as it is asked for now.

    That is the number of trials, the folder, the device, how long the user will train in the end, and what was asked.

    Nothing is written.

    Raises:
        StudyError: the study of that name is about something else; the message says what differs.
    """
    if not folder.config_file.exists():
        return asked
    stored = load_config(folder)
    check_training(stored, asked)
    _check_frame(stored, asked)
    settings = {**stored.settings, _DEVICE: asked.settings[_DEVICE]}
    changing = {name: getattr(asked, name) for name in ("n_trials", "out", "final_epochs", "asked")}
    return replace(stored, settings=settings, **changing)


def check_training(stored: StudyConfig, asked: StudyConfig) -> None:
    """Make sure that a result of the one study is a result of the other: same images, training, budget and goal.

    Raises:
        StudyError: it is not; the message says what differs.
    """
    if stored.data_hash != asked.data_hash:
        what = "were changed" if stored.data_spec == asked.data_spec else f"are others than {stored.data_spec!r}"
        raise StudyError(
            f"The images or labels of {asked.data_spec!r} {what} since study {stored.name!r} was made. "
            f"Restore them, or start a new study with --name."
        )
    _refuse_differences(stored, _training_pairs(stored, asked))


def _check_frame(stored: StudyConfig, asked: StudyConfig) -> None:
    """Make sure that the methods and policies are those of the study."""
    if stored.plugins != asked.plugins:
        raise StudyError(
            f"The plugins differ from those that study {stored.name!r} was made with: "
            f"{plugin_changes(stored.plugins, asked.plugins)}. Restore them, or start a new study with --name."
        )
    _refuse_differences(stored, _frame_pairs(stored, asked))


def _refuse_differences(stored: StudyConfig, pairs: list[tuple[str, Any, Any]]) -> None:
    for what, before, now in pairs:
        if before != now:
            raise StudyError(
                f"Study {stored.name!r} was made with {what} = {before!r}, not {now!r}. "
                f"Give the same value to go on, or start a new study with --name."
            )


def _training_pairs(stored: StudyConfig, asked: StudyConfig) -> list[tuple[str, Any, Any]]:
    # A setting that the study's version did not know yet had the value that is now its default.
    before, now = ({**_DEFAULTS, **config.settings} for config in (stored, asked))
    names = sorted((before.keys() | now.keys()) - {_DEVICE})
    pairs = [(f"`{name}`", before.get(name), now.get(name)) for name in names]
    pairs.append(("`seed`", stored.seed, asked.seed))
    pairs.append(("`goal`", stored.goal, asked.goal))
    pairs.append(("`fidelity`", str(Fidelity.of(stored.fidelity)), str(Fidelity.of(asked.fidelity))))
    return pairs


def _frame_pairs(stored: StudyConfig, asked: StudyConfig) -> list[tuple[str, Any, Any]]:
    return [
        ("`space` (signature)", stored.space_signature, asked.space_signature),
        ("reference arms", [arm.name for arm in stored.arms], [arm.name for arm in asked.arms]),
        ("`n_startup_trials`", stored.n_startup_trials, asked.n_startup_trials),
    ]


def plugin_changes(before: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> str:
    """Say which names came and which went, by kind; empty where none did."""
    changes = []
    for kind in sorted(before.keys() | now.keys()):
        old, new = set(before.get(kind, ())), set(now.get(kind, ()))
        if old - new:
            changes.append(f"without {kind} {listed(old - new)}")
        if new - old:
            changes.append(f"with {kind} {listed(new - old)} more")
    return "; ".join(changes)
