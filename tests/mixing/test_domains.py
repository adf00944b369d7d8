"""Domains: whatever is suggested can be encoded, and what is encoded comes back through a real trial."""

from __future__ import annotations

import optuna
import pytest

from automix.mixing.domains import ChoiceDomain, Domain, Fixed, FloatDomain, IntDomain, Value

DOMAINS = [
    Fixed(3),
    FloatDomain(0.1, 4.0),
    FloatDomain(0.01, 10.0, log=True),
    FloatDomain(0.1, 4.0, log=True, zero=True),
    IntDomain(2, 16),
    IntDomain(1, 64, log=True),
    ChoiceDomain(("box", "disc")),
    ChoiceDomain((False, True)),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.describe())
def test_every_suggestion_round_trips_through_encode_and_an_enqueued_trial(domain: Domain) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(20):
        first = study.ask()
        value = domain.suggest(first, "x.m")
        encoded = domain.encode("x.m", value)
        assert encoded == first.params
        study.enqueue_trial(encoded)
        assert domain.suggest(study.ask(), "x.m") == value


def test_zero_means_off_and_is_asked_as_a_choice_of_its_own() -> None:
    domain = FloatDomain(0.1, 4.0, log=True, zero=True)
    off, on = (optuna.trial.FixedTrial(params) for params in ({"a?": False}, {"a?": True, "a": 0.5}))
    assert (domain.suggest(off, "a"), domain.suggest(on, "a")) == (0.0, 0.5)
    assert domain.encode("a", 0.0) == {"a?": False}


@pytest.mark.parametrize(
    ("domain", "value", "message"),
    [
        (Fixed(3), 4, "`a` is fixed at 3 but got 4"),
        (FloatDomain(0.1, 4.0), 5.0, r"`a` is searched in \[0.1, 4\] but got 5"),
        (FloatDomain(0.1, 4.0), 0.0, r"`a` is searched in \[0.1, 4\] but got 0"),
        (IntDomain(2, 16), 1, r"`a` is searched in \[2, 16\] but got 1"),
        (ChoiceDomain(("box", "disc")), "star", "`a` is searched among box, disc but got 'star'"),
    ],
)
def test_a_value_outside_cannot_be_encoded(domain: Domain, value: Value, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        domain.encode("a", value)


@pytest.mark.parametrize(
    ("domain", "is_free"),
    [
        (Fixed(1), False),
        (FloatDomain(1.0, 1.0), False),
        (FloatDomain(1.0, 1.0, zero=True), True),
        (IntDomain(1, 2), True),
        (ChoiceDomain(("a",)), False),
    ],
)
def test_a_domain_knows_whether_there_is_anything_to_choose(domain: Domain, is_free: bool) -> None:
    assert domain.is_free is is_free
