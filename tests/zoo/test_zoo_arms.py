"""What the memory adds to the plan of a search."""

from __future__ import annotations

import pytest

from automix.errors import SettingError
from automix.manager import build_host
from automix.planning import SearchRequest, plan_search
from automix.policy import PolicyDocument
from automix.search.config import save_config
from automix.search.folder import StudyFolder

HOST = build_host()
NEAR = {"n_train": 64.0, "num_classes": 10.0, "side": 8.0, "channels": 1.0}
MIXUP, CUTMIX, FMIX = (PolicyDocument.of(name, prob=0.35) for name in ("mixup", "cutmix", "fmix"))


def plan(work, **options):
    request = {"data": "digits", "limit": 64, "space": "small", "model": "automix_resnet8", "work": work, **options}
    return plan_search(SearchRequest(**request), HOST)


def names(plan):
    return [arm.name for arm in plan.config.arms]


def remembered(plan):
    return [name for name in names(plan) if name.startswith("memory-")]


@pytest.fixture
def known(remember):
    remember("theirs", [(MIXUP, 0.6), (CUTMIX, 0.7), (FMIX, 0.55)], features=NEAR)


def test_winners_on_near_data_stand_right_after_no_mixing(work, known):
    found = plan(work)
    assert names(found)[:4] == ["none", "memory-1", "memory-2", "memory-3"]
    titles = [PolicyDocument.from_dict(arm.policy).title() for arm in found.config.arms[1:4]]
    assert [title.split()[0] for title in titles] == ["cutmix", "mixup", "fmix"]


def test_the_plan_says_where_they_come_from_and_how_near_that_is(work, known):
    (note,) = (note for note in plan(work).notes if note.startswith("memory-1"))
    assert note.startswith("memory-1: cutmix p=0.35")
    assert note.endswith(", +20.00 points to no mixing on 'flowers' (distance 0.00; resnet18, 20 epochs).")


def test_earlier_studies_of_the_very_same_images_are_named_as_such(work, remember):
    found = plan(work)
    remember("s", [(MIXUP, 0.6)], data=found.config.data_hash, features=dict(found.data.fingerprint.meta))
    assert any("the very same images" in note for note in plan(work).notes)


def test_without_an_earlier_study_nothing_is_added_and_no_database_is_made(work):
    assert remembered(plan(work)) == []
    assert not (work / "automix.db").exists()


@pytest.mark.parametrize("options", [{"memory": False}, {"preset": "smoke"}])
def test_memory_can_be_left_out(work, known, options):
    assert remembered(plan(work, **options)) == []


def test_leaving_it_out_makes_another_study_and_smoke_has_one_either_way(work):
    assert plan(work).config.name != plan(work, memory=False).config.name
    assert plan(work, preset="smoke").config.name == plan(work, preset="smoke", memory=False).config.name


def test_a_study_keeps_its_arms_when_the_memory_has_grown(work, known, remember):
    first = plan(work)
    save_config(StudyFolder(work, first.config.name), first.config)
    remember("later", [(PolicyDocument.of("gridmix"), 0.99)], data="b" * 32, name="later", features=NEAR)
    again = plan(work)
    assert again.config.arms == first.config.arms
    assert [note for note in again.notes if "memory-" in note] == [note for note in first.notes if "memory-" in note]
    assert "gridmix" in str(plan(work, name="another").config.arms[1].policy)


def test_a_study_that_was_made_without_memory_stays_so(work, remember):
    first = plan(work)
    save_config(StudyFolder(work, first.config.name), first.config)
    remember("later", [(MIXUP, 0.6)], features=NEAR)
    assert plan(work).config.arms == first.config.arms


def test_a_winner_that_is_a_reference_anyway_is_tried_sooner_and_takes_no_second_slot(work, remember):
    usual = names(plan(work))
    remember("s", [(PolicyDocument.of("cutmix"), 0.9), (MIXUP, 0.6)], features=NEAR)
    found = plan(work)
    assert names(found) == ["none", "cutmix", "memory-1", *(name for name in usual if name not in ("none", "cutmix"))]
    save_config(StudyFolder(work, found.config.name), found.config)
    remember("later", [(PolicyDocument.of("resizemix"), 0.99)], data="b" * 32, features=NEAR)
    assert plan(work).config.arms == found.config.arms


def test_what_cannot_work_here_is_left_out_and_named(work, remember):
    broken = PolicyDocument.of("mixup", prob=7.0)
    remember("s", [(PolicyDocument.of("from_elsewhere"), 0.9), (broken, 0.8), (CUTMIX, 0.7)], features=NEAR)
    found = plan(work)
    assert remembered(found) == ["memory-1"]
    assert any("from_elsewhere, which won on 'flowers', cannot take part" in note for note in found.notes)
    assert any("mixup p=7, which won on 'flowers', cannot take part" in note for note in found.notes)


@pytest.mark.parametrize("value", [[1], {"a": 1}, "x" * 200, None, True, -(10**15)])
def test_a_senseless_parameter_from_a_stranger_is_left_out_and_ends_nothing(work, remember, value):
    remember("s", [(PolicyDocument.of("mixup", prob=value), 0.9)], features=NEAR)
    assert remembered(plan(work)) == []


def test_the_memory_takes_no_more_slots_than_are_left(work, known):
    without = len(names(plan(work, memory=False)))
    assert len(remembered(plan(work, trials=without + 2))) == 1
    assert remembered(plan(work, trials=without + 1)) == []
    with pytest.raises(SettingError, match=f"above {without}"):
        plan(work, trials=without)


def test_data_that_are_far_away_give_nothing(work, remember):
    far = {"n_train": 1e6, "num_classes": 1000.0, "side": 224.0, "channels": 3.0}
    remember("s", [(MIXUP, 0.9)], features=far)
    assert remembered(plan(work)) == []


def test_the_memory_arms_train_in_the_space_where_it_holds_them(work, known):
    from automix.search.sampler import arm_proposal

    found = plan(work)
    proposals = [
        arm_proposal(arm.name, PolicyDocument.from_dict(arm.policy), found.space) for arm in found.config.arms[1:4]
    ]
    # prob is searched from 0.5 on and fmix is not in this space: outside, so the sampler cannot learn from them.
    assert [proposal.arm for proposal in proposals] == ["memory-1", "memory-2", "memory-3"]
    assert [bool(proposal.params) for proposal in proposals] == [False, False, False]


def test_a_reference_of_many_branches_is_known_again_when_it_has_won(work, remember):
    (arm,) = (arm for arm in plan(work).config.arms if arm.name == "trivialmix")
    remember("s", [(PolicyDocument.from_dict(arm.policy), 0.9), (MIXUP, 0.6)], features=NEAR)
    assert names(plan(work))[:3] == ["none", "trivialmix", "memory-1"]
