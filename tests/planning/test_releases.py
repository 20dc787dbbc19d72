from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.release import Release, Variant
from bighead_ci.errors import InputError
from bighead_ci.planning.releases import aborted, advanced, classify, promoted, retired

PLAN = CanaryPlan(steps=[10, 50, 100], soak="8s", minimum_requests=200)
AT_ONCE = CanaryPlan(steps=[100], soak="5s", minimum_requests=0)


def variant(version: str = "v1", content: str = "", **changes: Any) -> Variant:
    values: dict[str, Any] = {
        "version": version,
        "image": f"local/m@{digest_of(version)}",
        "artifact": digest_of(f"artifact {version} {content}"),
        "run": f"run {version}",
        "commit": "1" * 40,
        "weight": 0,
    }
    return Variant(**(values | changes))


FIRST = promoted(None, variant("v1"), PLAN)
CANARY = promoted(FIRST, variant("v2"), PLAN)
HALF = advanced(CANARY)
FULL = advanced(HALF)
SECOND = retired(FULL)


def weights(release: Release) -> dict[str, int]:
    return {one.version: one.weight for one in release.variants}


def move(base: Release | None, head: Release | None, *history: Release) -> str:
    return classify("prod", "late", base, head, list(history)).move


def test_a_canary_runs_through_its_steps() -> None:
    """First release, canary at each step, the old variant at 0, then gone."""
    assert [weights(r) for r in (FIRST, CANARY, HALF, FULL, SECOND)] == [
        {"v1": 100},
        {"v1": 90, "v2": 10},
        {"v1": 50, "v2": 50},
        {"v1": 0, "v2": 100},
        {"v2": 100},
    ]


def test_the_same_artifact_in_another_image_is_promoted_like_any_other() -> None:
    """A newer library in the serving lock: both run beside each other, each under a name of its own."""
    image = f"local/m@{digest_of('newer libraries')}"
    newer = variant("v1", image=image)
    beside = promoted(FIRST, newer, PLAN)
    assert [(one.image, one.weight) for one in beside.variants] == [(FIRST.stable.image, 90), (image, 10)]
    assert classify("prod", "late", FIRST, beside, []).move == "promote"
    with pytest.raises(InputError, match="serves already"):
        promoted(FIRST, variant("v1"), PLAN)


def test_two_artifacts_of_one_version_are_told_apart() -> None:
    """Where a version alone would name both, every move names the variants."""
    old, new = variant("v1", "old"), variant("v1", "new")
    first = promoted(None, old, PLAN)
    canary = promoted(first, new, PLAN)
    full = advanced(advanced(canary))
    said = [
        classify("prod", "late", base, head, list(history)).description
        for base, head, history in (
            (first, canary, ()),
            (canary, advanced(canary), ()),
            (full, retired(full), ()),
            (canary, aborted(canary), ()),
            (full, aborted(full), ()),
            (retired(full), first, (first,)),
        )
    ]
    assert said == [
        f"{old.name} → {new.name} (canary 10 %)",
        f"{new.name} 10 % → 50 %",
        f"{old.name} leaves, {new.name} serves alone",
        f"canary of {new.name} ends, {old.name} serves alone",
        f"{new.name} → {old.name}",
        f"{new.name} → {old.name}",
    ]
    assert canary.split == f"{old.name} 90 %, {new.name} 10 %"


def test_a_plan_of_one_step_replaces_at_once() -> None:
    """With steps [100] the new variant has all the traffic, and the old one stays ready without."""
    assert weights(promoted(FIRST, variant("v2"), AT_ONCE)) == {"v1": 0, "v2": 100}


def test_who_serves_follows_from_the_weights() -> None:
    """The candidate of a canary is stable once it has all the traffic; the older one is then its standby."""
    roles = [(r.stable.version, r.candidate and r.candidate.version, r.standby and r.standby.version)
             for r in (FIRST, CANARY, HALF, FULL, SECOND)]  # fmt: skip
    assert roles == [
        ("v1", None, None), ("v1", "v2", None), ("v1", "v2", None), ("v2", None, "v1"), ("v2", None, None)
    ]  # fmt: skip


def test_a_promotion_takes_the_place_of_a_standby() -> None:
    """The next version does not wait for the retirement of the one before the last."""
    assert weights(promoted(FULL, variant("v3"), PLAN)) == {"v2": 90, "v3": 10}
    assert promoted(FULL, variant("v3"), PLAN) == promoted(SECOND, variant("v3"), PLAN)
    assert move(FULL, promoted(FULL, variant("v3"), PLAN)) == "promote"


def test_a_version_may_come_in_without_traffic() -> None:
    """Its first step is then a commit of its own; taken back, the old one has never given anything away."""
    resting = promoted(FIRST, variant("v2"), PLAN, at_rest=True)
    assert weights(resting) == {"v1": 100, "v2": 0}
    assert (resting.stable.version, resting.candidate and resting.candidate.version, resting.standby) == (
        "v1", "v2", None,
    )  # fmt: skip
    assert (
        classify("prod", "late", FIRST, resting, []).description == "v1 → v2 (no traffic until it is ready, then 10 %)"
    )
    assert (move(FIRST, resting), move(resting, CANARY)) == ("promote", "advance")
    assert advanced(resting) == CANARY
    assert aborted(resting) == FIRST
    assert weights(promoted(FIRST, variant("v2"), AT_ONCE, at_rest=True)) == {"v1": 100, "v2": 0}
    assert promoted(None, variant("v1"), PLAN, at_rest=True) == FIRST


def test_aborting_gives_the_old_variant_everything() -> None:
    """The candidate leaves, at whatever step."""
    assert [aborted(r) for r in (CANARY, HALF, FULL)] == [FIRST, FIRST, FIRST]


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: promoted(CANARY, variant("v3"), PLAN),
        lambda: promoted(FIRST, variant("v1"), PLAN),
        lambda: promoted(FIRST, variant("v1"), AT_ONCE),
        lambda: advanced(FIRST),
        lambda: advanced(FULL),
        lambda: retired(HALF),
        lambda: retired(FIRST),
        lambda: aborted(FIRST),
    ],
)
def test_moves_that_make_no_sense_are_refused(attempt: Any) -> None:
    """Each constructor refuses a release it does not fit."""
    with pytest.raises(InputError):
        attempt()


@pytest.mark.parametrize(
    ("base", "head", "history", "expected"),
    [
        (None, FIRST, (), "promote"),
        (FIRST, CANARY, (), "promote"),
        (FIRST, promoted(FIRST, variant("v1", "retrained"), PLAN), (), "promote"),
        (FIRST, promoted(FIRST, variant("v2"), AT_ONCE), (), "promote"),
        (CANARY, HALF, (), "advance"),
        (HALF, FULL, (), "advance"),
        (FULL, SECOND, (), "retire"),
        (HALF, FIRST, (), "rollback"),
        (FULL, FIRST, (), "rollback"),
        (promoted(SECOND, variant("v3"), PLAN), FULL, (FULL,), "rollback"),
        (promoted(SECOND, variant("v3"), AT_ONCE), SECOND, (SECOND,), "rollback"),
        (promoted(None, variant("v3"), PLAN), SECOND, (FULL,), "rollback"),
        (None, FULL, (FULL,), "rollback"),
        (FULL, FULL.model_copy(update={"canary": PLAN.model_copy(update={"soak": "9s"})}), (), "settings"),
        (SECOND, FIRST, (FIRST,), "rollback"),
        (SECOND, FULL, (FULL,), "rollback"),
        (HALF, CANARY, (CANARY,), "rollback"),
        (FIRST, CANARY, (CANARY, FIRST), "promote"),
        (FIRST, None, (), "remove"),
        (FIRST, FIRST.model_copy(update={"canary": AT_ONCE}), (), "settings"),
        (FIRST, FIRST, (), "settings"),
    ],
)
def test_each_legal_edit_is_told_by_name(
    base: Release | None, head: Release | None, history: tuple[Release, ...], expected: str
) -> None:
    """The move of an edit follows from the two contents and the file's history."""
    assert move(base, head, *history) == expected


@pytest.mark.parametrize(
    ("base", "head", "history", "weights_of_the_variant"),
    [
        (None, FIRST, (), (0, 100)),
        (FIRST, CANARY, (), (0, 10)),
        (CANARY, HALF, (), (10, 50)),
        (FULL, SECOND, (), (100, 100)),
        (HALF, FIRST, (), (50, 0)),
        (HALF, CANARY, (CANARY,), (50, 10)),
        (SECOND, FIRST, (FIRST,), (100, 0)),
        (FIRST, None, (), (100, 0)),
        (FIRST, FIRST.model_copy(update={"canary": AT_ONCE}), (), (100, 100)),
    ],
)
def test_a_move_says_its_weights_as_numbers(
    base: Release | None, head: Release | None, history: tuple[Release, ...], weights_of_the_variant: tuple[int, int]
) -> None:
    """Of the variant that comes in or, where none does, of the newest one before."""
    change = classify("prod", "late", base, head, list(history))
    assert (change.weight_before, change.weight_after) == weights_of_the_variant


def by_hand(base: Release, *changed: dict[str, Any]) -> Release:
    pairs = zip(base.variants, changed, strict=True)
    return Release(variants=[one.model_copy(update=change) for one, change in pairs], canary=base.canary)


@pytest.mark.parametrize(
    ("base", "head", "history", "words"),
    [
        (None, CANARY, (), "one variant with all the traffic"),
        (FIRST, HALF, (HALF, FIRST), "10 % of the traffic"),
        (FIRST, FULL, (), "10 % of the traffic"),
        (CANARY, FULL, (FULL,), "next step"),
        (CANARY, SECOND, (), "next step"),
        (CANARY, SECOND, (SECOND,), "next step"),
        (SECOND, FIRST, (), "10 % of the traffic"),
        (FIRST, by_hand(FIRST, {"image": f"local/m@{digest_of('other')}"}), (), "10 % of the traffic"),
        (CANARY, by_hand(HALF, {}, {"run": "forged"}), (), "next step"),
        (
            CANARY,
            CANARY.model_copy(update={"canary": PLAN.model_copy(update={"soak": "1s"})}),
            (),
            "no canary is under way",
        ),
        (CANARY, HALF.model_copy(update={"canary": PLAN.model_copy(update={"soak": "1s"})}), (), "next step"),
    ],
)
def test_an_edit_by_hand_is_refused_with_the_command(
    base: Release | None, head: Release, history: tuple[Release, ...], words: str
) -> None:
    """The message says what would be allowed and which command does it."""
    with pytest.raises(InputError, match="releases are edited by commands, not by hand") as caught:
        move(base, head, *history)
    assert words in str(caught.value)
    assert "`bighead " in str(caught.value)


names = st.text(st.characters(codec="utf-8"), max_size=12)
variants = st.builds(
    variant,
    st.integers(1, 999_999).map("v{}".format),
    names,
    run=names,
    commit=st.text("0123456789abcdef", min_size=40, max_size=40) | st.just("1" * 40) | st.just("0" * 39 + "e"),
)
plans = st.builds(
    CanaryPlan,
    steps=st.sets(st.integers(1, 99), max_size=4).map(lambda found: [*sorted(found), 100]),
    soak=st.sampled_from(["5s", "90m", "1h", "30d"]),
    minimum_requests=st.integers(0, 10**9),
    person_above=st.integers(0, 100),
)


@st.composite
def releases(draw: st.DrawFn) -> Release:
    release = promoted(None, draw(variants), draw(plans))
    if draw(st.booleans()):
        candidate = draw(variants.filter(lambda one: one.name != release.stable.name))
        release = promoted(release, candidate, draw(plans), at_rest=draw(st.booleans()))
    return release


@given(releases(), st.data())
def test_every_way_through_a_canary_is_legal_and_ends(release: Release, data: st.DataObject) -> None:
    """From any release, advancing to the end classifies as advance and retire; aborting as rollback."""
    while len(release.variants) > 1:
        if data.draw(st.booleans()):
            assert move(release, aborted(release)) == "rollback"
        later = advanced(release) if release.candidate else retired(release)
        assert move(release, later) == ("advance" if release.candidate else "retire")
        release = later
    assert release.stable.weight == 100
