"""A work folder's memory, filled by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from automix.policy import PolicyDocument
from automix.storage import Store

NONE = PolicyDocument.of("none")
FEATURES = {"n_train": 400.0, "num_classes": 10.0, "side": 8.0, "channels": 1.0, "separability": 0.9}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def store(work: Path) -> Iterator[Store]:
    store = Store(work / "automix.db")
    yield store
    store.close()


@pytest.fixture
def remember(store: Store) -> Callable[..., None]:
    """Writes a study with the given validation accuracies, as a search does; the first one is of no mixing."""

    def write(
        study: str,
        scores: list[tuple[PolicyDocument, float]],
        *,
        data: str = "a" * 32,
        name: str = "flowers",
        features: dict[str, float] = FEATURES,
        none: float = 0.5,
        status: str = "complete",
        verdict: dict[str, Any] | None = None,
        **config: Any,
    ) -> None:
        store.remember_data(data, name=name, meta_features=features)
        plain = {
            "study_id": f"id of {study}",
            "arms": [{"name": "none", "policy": NONE.to_dict()}],
            "settings": {"model": "resnet18"},
            "versions": {"automix": "0.1.0"},
        }
        store.remember_study(study, data_hash=data, config={**plain, **config}, verdict=verdict)
        for slot, (policy, score) in enumerate([(NONE, none), *scores]):
            store.remember_result(
                study,
                slot,
                policy_key=policy.key(),
                policy_title=policy.title(),
                policy=policy.to_dict(),
                status=status if slot else "complete",
                epochs=20,
                metrics={"val/top1": score},
            )

    return write
