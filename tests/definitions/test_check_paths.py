"""Where authored files and data may be: what `check` says of every other place."""

from __future__ import annotations

import pytest

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.files import Files
from fakes.memory_tree import DELAYS, FLIGHTS, MemoryTree, only, problems, repository

SOURCE_FILE = "features/sources/flights.yaml"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("models/late/version2/model.yaml", "a version's directory must be v and a number"),
        ("models/Late/v1/model.yaml", "the name is not written as it must be"),
        ("models/late/v2/model.py", "there is no such file"),
        ("models/environment/v1/model.yaml", "its releases would lie where an environment's definition is"),
        ("environments/lab/late.yaml", "there is no such environment"),
    ],
)
def test_a_misplaced_file_is_found(path: str, words: str) -> None:
    """Directory names and missing definition files are problems too."""
    assert any(words in problem.message for problem in problems(**{path: "{}\n"}))


@pytest.mark.parametrize(
    "path", ["models/late/v1/model.py", "models/late/v2", "policies/whole.yaml", "features/delays/v1/notes.txt"]
)
def test_a_symbolic_link_is_refused(path: str) -> None:
    """What it points to could change while the content key stays: the key is of the link's own content."""
    tree = MemoryTree({**repository(), path: "../elsewhere"}, links=[path])
    for found in (check_tree(tree), check_tree(tree, [path])):
        assert [(p.message, p.value) for p in found if p.file == path and "link" in p.message] == [
            ("symbolic links are not supported: put the file itself here", "../elsewhere")
        ]


def test_data_of_a_source_may_be_a_link() -> None:
    """DVC puts links into its cache beside the sources."""
    path = "features/sources/flights.parquet"
    assert check_tree(MemoryTree({**repository(), path: "/cache/aa"}, links=[path])) == []


@pytest.mark.parametrize(
    ("path", "right", "suggestion"),
    [
        ("policies/strict.yml", "policies/<name>.yaml", "policies/strict.yaml"),
        ("policies/strict/auc.yaml", "policies/<name>.yaml", "policies/auc.yaml"),
        ("policies/whole.yml", "policies/<name>.yaml", None),
        ("policies/why.txt", "policies/<name>.yaml", None),
        ("environments/lab.yaml", "environments/<environment>/<model>.yaml", "environments/lab/environment.yaml"),
        ("environments/prod/late.yml", "environments/<environment>/<model>.yaml", "environments/prod/late.yaml"),
        ("environments/prod/limits.json", "environments/<environment>/<model>.yaml", None),
        ("models/late/model.yaml", "models/<name>/v<N>/", None),
        ("models/early/model.yaml", "models/<name>/v<N>/", "models/early/v1/model.yaml"),
        ("models/late/notes.md", "models/<name>/v<N>/", "models/late/v1/notes.md"),
        ("models/late/notes/a/README.txt", "models/<name>/v<N>/", None),
        ("models/shared.py", "models/<name>/v<N>/", None),
        ("features/delays/feature_set.yaml", "features/<name>/v<N>/feature_set.yaml", None),
        (
            "features/more/feature_set.yaml",
            "features/<name>/v<N>/feature_set.yaml",
            "features/more/v1/feature_set.yaml",
        ),
        ("features/delays/v1/notes.txt", "features/<name>/v<N>/feature_set.yaml", None),
        ("features/delays/v1/queries/expectations.yaml", "features/<name>/v<N>/feature_set.yaml", None),
        ("features/delays/v1/expectation.yaml", "expectations.yaml", None),
        ("features/bags.yaml", "features/sources/<name>.yaml", "features/sources/bags.yaml"),
        ("features/sources/bags.yml", "features/sources/<name>.yaml", "features/sources/bags.yaml"),
        ("features/sources/bags.parquet", "the data that one names", None),
        ("features/sources/helpers.py", "files that a stage of the root dvc.yaml names", None),
        ("features/sources/raw/left_over.csv", "files that a stage of the root dvc.yaml names", None),
    ],
)
def test_a_file_that_nothing_reads_is_a_problem(path: str, right: str, suggestion: str | None) -> None:
    """A gate with the wrong ending would never be judged, and nobody would notice; the closest free place is named."""
    problem = only(problems(**{path: "owner: flights\n"}))
    assert (problem.file, problem.message) == (path, "nothing reads this file")
    assert right in (problem.allowed or "")
    assert problem.suggestion == suggestion


PIPELINE = """\
stages:
  bags:
    cmd: python features/sources/import_bags.py
    deps: [features/sources/import_bags.py, features/sources/raw]
    params: [features/sources/limits.json: [rows]]
    outs: [features/sources/flights.parquet]
  each:
    foreach: [a, b]
    do:
      wdir: features/sources
      cmd: python each.py ${item}
      deps: [each.py, "each_${item}.csv"]
      outs: ["${item}.parquet"]
"""


@pytest.mark.parametrize(
    "path",
    [
        "models/README.md",
        "models/late/README.md",
        "models/late/notes/readme.md",
        "models/late/v1/vocabulary.txt",
        "models/late/v1/queries/by_hour.sql",
        "models/_locks/README.md",
        "policies/README.md",
        "policies/.gitkeep",
        "environments/README.md",
        "environments/prod/.gitattributes",
        "features/delays/README.md",
        "features/delays/v1/README.md",
        "features/sources/.gitignore",
        "features/sources/flights.parquet",
        "features/sources/raw/bags.csv",
        "features/sources/raw/bags.csv.dvc",
        "features/sources/import_bags.py",
        "features/sources/limits.json",
        "features/sources/each.py",
        "features/sources/each_b.csv",
    ],
)
def test_a_file_that_somebody_reads_is_none(path: str) -> None:
    """People read cards, git its own files, a version's code all that lies beside it, stages what dvc.yaml names."""
    assert problems(**{path: "x", "dvc.yaml": PIPELINE}) == []


def test_a_directory_of_notes_is_no_version() -> None:
    """What lies beside the versions is in no list of them."""
    files = Files(MemoryTree(repository(**{"models/late/notes/README.md": "x"})))
    assert files.names("model") == ["late/v1"]


@pytest.mark.parametrize(
    ("directory", "meant"),
    [("V1", "v1"), ("1", "v1"), ("v01", "v1"), ("version2", "v2"), ("version_12", "v12"), ("v1b", None), ("new", None)],
)
def test_a_version_that_is_named_otherwise_is_told_its_name(directory: str, meant: str | None) -> None:
    """A directory with a definition in it is a version, and is to be called like one."""
    found = only(problems(**{f"features/delays/{directory}/feature_set.yaml": DELAYS}))
    assert (found.message, found.value) == ("a version's directory must be v and a number", directory)
    assert found.suggestion == meant


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("s3://bucket/flights.parquet", "is an address"),
        ("postgres://host/base/flights", "is an address"),
        ("flights.csv", "does not name a Parquet file"),
        ("flights/*", "does not name a Parquet file"),
        ("flights", "does not name a Parquet file"),
        ("flights/", "is a directory"),
        ("flights.parquet/", "is a directory"),
        ("parts.parquet", "is a directory"),
        ("/data/flights.parquet", "must stay below"),
        ("../flights.parquet", "must stay below"),
        ("raw/../../flights.parquet", "must stay below"),
        ("~/flights.parquet", "must stay below"),
        ("file:///flights.parquet", "is an address"),
        ("*.parquet", "is a pattern"),
        ("flights-?.parquet", "is a pattern"),
        ("", "does not name a Parquet file"),
        (".", "does not name a Parquet file"),
        ("./flights.parquet", "is not written plainly"),
        ("raw//flights.parquet", "is not written plainly"),
        ("raw\\flights.parquet", "is not written plainly"),
        ("${name}.parquet", "takes for a template"),
        (".git/flights.parquet", "git or a file system refuses"),
        (f"{'x' * 250}.parquet", "git or a file system refuses"),
        (" flights.parquet", "cannot be seen"),
        ("\u200bflights.parquet", "cannot be seen"),
    ],
)
def test_a_path_that_names_no_parquet_file_is_refused(path: str, words: str) -> None:
    """Addresses, patterns, directories and other formats are found before anything runs, with their line."""
    text = FLIGHTS.replace("path: flights.parquet", f"path: '{path}'")
    found = problems(**{SOURCE_FILE: text, "features/sources/parts.parquet/a.parquet": "x"})
    problem = next(one for one in found if one.subject == "path")
    assert words in problem.message
    assert problem.line is not None
    assert "one Parquet file" in (problem.allowed or "")


@pytest.mark.parametrize("path", ["flights.parquet", "[x].parquet", "raw/Flüge 2013.parquet", "a=1/b.parquet"])
def test_a_path_is_a_literal_name(path: str) -> None:
    """Brackets, spaces and letters of any language stand for themselves."""
    assert problems(**{SOURCE_FILE: FLIGHTS.replace("path: flights.parquet", f"path: '{path}'")}) == []


@pytest.mark.parametrize("escape", ["\\n", "\\0", "\\u200b", "\\x7f"])
def test_a_path_with_a_control_character_is_refused(escape: str) -> None:
    """Neither git nor DVC keeps such a name as it is written."""
    found = problems(**{SOURCE_FILE: FLIGHTS.replace("path: flights.parquet", f'path: "fl{escape}.parquet"')})
    assert [(one.subject, "cannot be seen" in one.message) for one in found] == [("path", True)]
