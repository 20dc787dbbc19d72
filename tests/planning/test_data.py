"""Data that nobody would find is named before anything runs."""

from __future__ import annotations

import pytest

from bighead_ci.definitions.files import Files
from bighead_ci.errors import Problem
from bighead_ci.planning.data import data_problems
from fakes.memory_tree import DVC_LOCK, FLIGHTS, MemoryTree, repository

SOURCE_FILE = "features/sources/flights.yaml"
OUT = "features/sources/flights.parquet"


def found(path: str = "flights.parquet", **files: str | None) -> list[Problem]:
    source = FLIGHTS.replace("path: flights.parquet", f'path: "{path}"')
    tree = Files(MemoryTree(repository(**{SOURCE_FILE: source, **files})))
    return data_problems(tree, tree.places)


@pytest.mark.parametrize(
    "pipeline",
    [
        f"stages: {{a: {{cmd: x, outs: [{OUT}]}}}}",
        f"stages: {{a: {{cmd: x, outs: [{OUT}: {{cache: true}}]}}}}",
        "stages: {a: {cmd: x, wdir: features, outs: [sources/flights.parquet]}}",
        "stages: {a: {foreach: [flights], do: {cmd: x, outs: ['features/sources/${item}.parquet']}}}",
        "stages: {a: {matrix: {n: [flights]}, cmd: x, outs: ['features/sources/${item.n}.parquet']}}",
    ],
)
def test_what_a_stage_leaves_will_be_found(pipeline: str) -> None:
    """A stage of the root dvc.yaml leaves the file, however that is written; no snapshot of it need exist yet."""
    assert found("flights.parquet", **{"dvc.yaml": pipeline, "dvc.lock": None}) == []


def test_what_dvc_lock_has_will_be_found() -> None:
    """Data that was made once is in the cache."""
    assert found() == []


@pytest.mark.parametrize(
    ("path", "suggestion"),
    [
        ("Flights.parquet", "flights.parquet"),
        ("flight.parquet", "flights.parquet"),
        ("flights.parquet/part-0.parquet", None),
        ("[x].parquet", None),
    ],
)
def test_data_that_nobody_makes_is_named_with_its_line(path: str, suggestion: str | None) -> None:
    """A path that no stage leaves and no snapshot has is an error, with the ways out and what was probably meant."""
    (problem,) = found(path, **{"dvc.yaml": f"stages: {{a: {{cmd: x, outs: [{OUT}]}}}}"})
    assert (problem.file, problem.line, problem.subject, problem.value) == (SOURCE_FILE, 2, "path", path)
    assert "the checks would not find it" in problem.message
    assert "bighead new source" in (problem.allowed or "")
    assert problem.suggestion == suggestion


def test_a_directory_in_the_snapshot_is_no_file() -> None:
    """A stage that leaves a directory of that name is named before anything is trained."""
    (problem,) = found(**{"dvc.lock": DVC_LOCK.replace("aaaa", "aaaa.dir")})
    assert "is a directory in dvc.lock" in problem.message


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("dvc.yaml", "stages: [", "is no YAML"),
        ("dvc.yaml", "stages: \x00", "is no YAML"),
        ("dvc.lock", "stages: [", "not YAML"),
    ],
)
def test_an_unreadable_pipeline_is_its_own_problem(file: str, text: str, words: str) -> None:
    """Nothing is said of the sources then."""
    (problem,) = found(**{file: text})
    assert problem.file == file
    assert words in problem.message


def test_only_the_sources_that_are_asked_about_are_judged() -> None:
    """A pull request is not refused for a source that it does not touch."""
    tree = Files(MemoryTree(repository(**{"dvc.lock": None})))
    assert data_problems(tree, []) == []
    assert len(data_problems(tree, tree.places)) == 1
