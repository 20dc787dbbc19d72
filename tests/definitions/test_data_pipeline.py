"""The root dvc.yaml is read as far as one need not be DVC."""

from __future__ import annotations

import pytest

from bighead_ci.definitions.check import check_tree
from fakes.memory_tree import MemoryTree, repository

WELL = """\
stages:
  fetch:
    cmd: fetch
    deps: [https://example.org/list, features/sources/fetch.py]
    outs:
      - features/sources/flights.parquet: {cache: true}
    meta: {sandbox: {network: true, variables: [TOKEN]}, team: data}
"""


def found(text: str, paths: list[str] | None = None) -> list[tuple[str, int | None, str, str | None]]:
    problems = check_tree(MemoryTree(repository(**{"dvc.yaml": text})), paths)
    assert {one.file for one in problems} <= {"dvc.yaml"}
    return [(one.message, one.line, one.subject, one.value) for one in problems]


def test_a_pipeline_as_the_checks_take_it_has_no_problem() -> None:
    """Addresses may be watched, and other things may stand in meta."""
    assert found(WELL) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "subject"),
    [
        ("{network: true, variables: [TOKEN]}", "{network: yes please}", 7, "stages.fetch.meta.sandbox"),
        ("{network: true, variables: [TOKEN]}", "{internet: true}", 7, "stages.fetch.meta.sandbox"),
        ("{network: true, variables: [TOKEN]}", "null", 7, "stages.fetch.meta.sandbox"),
        ("features/sources/fetch.py", "/etc/fetch.py", 4, "stages.fetch.deps"),
        ("features/sources/fetch.py", "../fetch.py", 4, "stages.fetch.deps"),
        ("features/sources/flights.parquet", "s3://bucket/flights.parquet", 5, "stages.fetch.outs"),
        ("features/sources/flights.parquet", "features/../../flights.parquet", 5, "stages.fetch.outs"),
    ],
)
def test_what_the_checks_would_refuse_of_a_stage_is_found(old: str, new: str, line: int, subject: str) -> None:
    """A wish that is none, and files of elsewhere, are said with their line before DVC runs anything."""
    ((message, at, about, _),) = found(WELL.replace(old, new))
    assert (at, about) == (line, subject)
    assert message in {
        "is not written as it must be",
        "stages of the repository read and leave files of the repository only",
    }


def test_what_is_no_pipeline_is_said_once_and_only_of_a_change_of_it() -> None:
    """A pull request that does not touch dvc.yaml is not refused for it."""
    ((message, line, _, _),) = found("stages:\n  a: [\n")
    assert message.startswith("is no YAML")
    assert line == 3
    assert found("stages:\n  a: [\n", ["policies/whole.yaml"]) == []


@pytest.mark.parametrize("text", ["", "[]", "stages: 7", "stages: {a: 7}", "stages: {a: {outs: 7, deps: {b: c}}}"])
def test_what_is_not_as_dvc_writes_it_is_passed_over(text: str) -> None:
    """DVC says itself what it refuses."""
    assert found(text) == []
