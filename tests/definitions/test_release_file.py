"""Writing a release file, and reading it by its form or as YAML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bighead_ci.definitions.release_file import parse_rendered, read_release, render_release
from bighead_ci.definitions.validation import validate
from bighead_ci.documents.definition import CanaryPlan
from bighead_ci.documents.release import PlacedRelease, Release, Variant
from bighead_ci.errors import InputError

FILE = "environments/prod/late.yaml"


def variant(version: str, weight: int, run: str = "run-1") -> Variant:
    return Variant(
        version=version,
        image=f"local/late@sha256:{'0' * 63}{version[-1]}",
        artifact=f"sha256:{'a' * 63}{version[-1]}",
        run=run,
        commit="1234567890" * 4,
        weight=weight,
    )


PLAN = CanaryPlan(steps=[10, 100], soak="8s", minimum_requests=200, person_above=50)
CANARY = Release(variants=[variant("v1", 90), variant("v2", 10)], canary=PLAN)


@st.composite
def releases(draw: st.DrawFn) -> Release:
    steps = [*sorted(draw(st.sets(st.integers(1, 99), max_size=4))), 100]
    plan = CanaryPlan(
        steps=steps,
        soak=draw(st.sampled_from(["1s", "5m", "30d"])),
        minimum_requests=draw(st.integers(0, 10**6)),
        person_above=draw(st.integers(0, 100)),
    )
    # A run id may look like anything, a number or a comment for one.
    runs = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
        ["12", "1e5", "~", "a # b", "a: b", '"', "\\"]
    )
    if draw(st.booleans()):
        return Release(variants=[variant("v1", 100, draw(runs))], canary=plan)
    weight = draw(st.sampled_from(steps))
    return Release(variants=[variant("v1", 100 - weight, draw(runs)), variant("v2", weight, draw(runs))], canary=plan)


@given(releases())
def test_a_rendered_release_reads_back_equal_as_yaml(release: Release) -> None:
    """Rendering loses nothing, whatever the run ids look like, and repeats to the byte."""
    text = render_release(release)
    document, _, problems = validate("release", FILE, text.encode())
    assert problems == []
    assert document == release
    assert render_release(Release.model_validate(document)) == text


@given(releases())
def test_reading_by_form_and_as_yaml_agree(release: Release) -> None:
    """What the form gives is what YAML gives; where the form gives nothing, reading falls back on YAML."""
    text = render_release(release).encode()
    assert parse_rendered(text) == (release if b"\\" not in text else None)
    assert read_release("prod", "late", text) == release


def test_what_we_render_is_read_by_its_form() -> None:
    """So thousands of releases take no YAML parser; whatever comment stands above."""
    text = render_release(CANARY)
    assert parse_rendered(text.encode()) == CANARY
    body = text[text.index("variants:") :]
    assert parse_rendered(f"# Written by an earlier engine.\n{body}".encode()) == CANARY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  - version: v1", "  - version:  v1"),
        ("weight: 90", "weight: 090"),
        ("weight: 90", "weight: 89"),
        ("steps: [10, 100]", "steps: [10,100]"),
        ("steps: [10, 100]", "steps: [10, 10, 100]"),
        ("soak: 8s", "soak: 8s # seconds"),
        ("soak: 8s", 'soak: "8s"'),
        ("canary:\n", "canary:\n  extra: 1\n"),
        ("variants:\n", "variants:\n    weight: 1\n"),
        ("weight: 10\n", "weight: 10\n    weight: 10\n"),
        ("commit: ", "commit: &a "),
        ("variants:", "canary:"),
        ("run-1", "run\\u0031"),
    ],
)
def test_any_other_form_is_left_to_yaml(old: str, new: str) -> None:
    """A text that we would not have written is never guessed at: YAML says what it means, or what is wrong."""
    text = render_release(CANARY)
    assert old in text
    assert parse_rendered(text.replace(old, new, 1).encode()) is None


def test_bytes_that_are_no_text_are_left_to_yaml() -> None:
    """Which says so by file."""
    assert parse_rendered(b"\xff") is None
    with pytest.raises(InputError, match=FILE):
        read_release("prod", "late", b"\xff")


@pytest.mark.parametrize(("environment", "model"), [("Prod", "late"), ("prod", "la-te")])
def test_a_release_under_a_name_that_nothing_can_have_is_refused(environment: str, model: str) -> None:
    """However well it is written."""
    with pytest.raises(InputError, match="not written as it must be"):
        read_release(environment, model, render_release(CANARY).encode())


def test_a_release_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that takes it in does not check it again: a history holds tens of thousands."""

    def refuse(_: Release) -> Release:
        raise AssertionError("checked again")

    monkeypatch.setattr(Release, "checked", refuse)
    assert PlacedRelease(environment="prod", model="late", release=CANARY).release is CANARY
