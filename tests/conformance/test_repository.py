"""What every repository must do, on git (bare and with a work tree) and on the double in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.definitions.tree import blob_id
from bighead_ci.errors import InputError, RetryError
from bighead_ci.git.repository import GitRepository
from bighead_ci.ports.repository import Repository
from fakes.forge import MemoryRepository
from fakes.repositories import begin_repository, opinionated_git


@pytest.fixture(params=["bare", "work-tree", "opinionated", "memory"])
def repository(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """`opinionated`: for somebody whose own git signs, hooks, ignores and formats."""
    if request.param == "memory":
        return MemoryRepository()
    directory = begin_repository(tmp_path / "r", bare=request.param != "work-tree")
    if request.param == "opinionated":
        opinionated_git(tmp_path / "home", monkeypatch)
    return GitRepository(directory)


def grow(repository: Repository, branch: str = "main", **files: str | None) -> str:
    """One commit more on a branch."""
    changes = {name.replace("__", "/"): None if text is None else text.encode() for name, text in files.items()}
    try:
        parent = repository.resolve(branch)
    except InputError:
        parent = repository.resolve("main")
    return repository.commit(branch, parent, changes, f"change {', '.join(changes)}", "ada")


def test_commit_adds_changes_and_deletes(repository: Repository) -> None:
    """A commit has its parent's files with the changes applied, None deleting."""
    grow(repository, models__a="1", models__b="2", c="3")
    commit = grow(repository, models__b=None, c="4", d="5")
    tree = repository.tree(commit)
    assert {path: tree.read(path) for path in tree.files()} == {"models/a": b"1", "c": b"4", "d": b"5"}
    assert repository.resolve("main") == commit


def test_commit_creates_a_branch(repository: Repository) -> None:
    """Committing to a branch that does not exist creates it, and leaves the others alone."""
    main = repository.resolve("main")
    commit = repository.commit("release/prod/x", main, {"f": b"1"}, "title\n\ntext", "ada <ada@example.invalid>")
    assert repository.resolve("release/prod/x") == commit
    assert repository.resolve("main") == main
    log = repository.log("release/prod/x")
    assert (log[0].subject, log[0].author, log[0].parents) == ("title", "ada", [main])


def test_commit_moves_a_branch_to_another_parent(repository: Repository) -> None:
    """A branch other than the default one is moved, so a newer release supersedes an older."""
    old = grow(repository, "release", f="1")
    main = grow(repository, g="2")
    new = repository.commit("release", main, {"f": b"3"}, "newer", "ada")
    assert repository.resolve("release") == new != old
    assert repository.log("release")[0].parents == [main]


def test_repeated_commit_is_the_same_commit(repository: Repository) -> None:
    """Committing the same thing twice moves nothing: checks of the first stay valid."""
    main = repository.resolve("main")
    first = repository.commit("release", main, {"f": b"1"}, "m", "ada")
    assert repository.commit("release", main, {"f": b"1"}, "m", "ada") == first
    assert repository.commit("release", main, {"f": b"1"}, "m", "eve") != first


def test_default_branch_never_loses_commits(repository: Repository) -> None:
    """A commit on an old parent of the default branch is refused as a lost race."""
    old = repository.resolve("main")
    new = grow(repository, f="1")
    with pytest.raises(RetryError, match="moved"):
        repository.commit("main", old, {"g": b"2"}, "m", "ada")
    assert repository.resolve("main") == new


def test_tree_ids_are_gits(repository: Repository) -> None:
    """Files have git's blob ids, so that equal content has equal ids in every tree."""
    commit = grow(repository, a="same", b="same", c="other")
    files = repository.tree(commit).files()
    assert files["a"] == files["b"] == blob_id(b"same") != files["c"]


def test_reading_a_missing_file_is_a_key_error(repository: Repository) -> None:
    """A file that is not there, and a directory, raise KeyError."""
    tree = repository.tree(grow(repository, models__a="1"))
    for path in ("models/b", "models", "models/a/b", "", "a\nb", "\ud800"):
        with pytest.raises(KeyError):
            tree.read(path)


@pytest.mark.parametrize(
    "path", ["sp ace", 'quo"te', "bäckslash\\", "tab\t", "new\nline", "-dash", "(x)[y]*", "ünï/日本"]
)
def test_odd_paths_survive(repository: Repository, path: str) -> None:
    """Any path that git can hold is listed and read back."""
    content = b"\0binary\xff\r\n"
    commit = repository.commit("main", repository.resolve("main"), {path: content}, "m", "ada")
    tree = repository.tree(commit)
    assert list(tree.files()) == [path]
    assert tree.read(path) == content


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "", ".git/config", "a/../b", "a/."])
def test_paths_outside_are_refused(repository: Repository, path: str) -> None:
    """A path that leads out of the repository or into .git is refused."""
    with pytest.raises(InputError, match="cannot be a file"):
        repository.commit("x", repository.resolve("main"), {path: b"1"}, "m", "ada")


def test_containing_finds_text_under_prefixes(repository: Repository) -> None:
    """Search is literal, by start of the path, and sorted."""
    commit = grow(
        repository,
        models__b="uses carrier_delays.mean",
        models__a="carrier_delays.mean",
        features__x="carrier_delays.mean",
        models__c="carrier_delays_mean",
        models2__d="carrier_delays.mean",
    )
    tree = repository.tree(commit)
    assert tree.containing("carrier_delays.mean", ["models/"]) == ["models/a", "models/b"]
    assert tree.containing("carrier_delays.mean", ["models/", "features/"]) == ["features/x", "models/a", "models/b"]
    assert tree.containing("carrier_delays.mean", ["models"]) == ["models/a", "models/b", "models2/d"]
    assert tree.containing("carrier_delays.mean", []) == []
    assert tree.containing("absent", ["models/"]) == []


def test_containing_takes_wildcards_and_line_breaks_literally(repository: Repository) -> None:
    """Neither the text nor a prefix is a pattern; a text may span lines and begin with a dash."""
    main = repository.resolve("main")
    files = {"a*/x": b"-e one\ntwo\n", "ab/x": b"-e one\ntwo\n", "a*/y": b"two\n-e one\n"}
    tree = repository.tree(repository.commit("main", main, files, "m", "ada"))
    assert tree.containing("-e one\ntwo", ["a*/"]) == ["a*/x"]
    assert tree.containing("-e o.e", ["a"]) == []


def test_log_follows_a_path_along_first_parents(repository: Repository) -> None:
    """The log of a path has the commits that touched it, newest first, and no others."""
    first = grow(repository, a__x="1")
    grow(repository, b__x="1")
    third = grow(repository, a__y="1")
    assert [c.id for c in repository.log("main", "a")] == [third, first]
    assert [c.id for c in repository.log("main", "a", limit=1)] == [third]
    assert [c.id for c in repository.log("main", "a/x")] == [first]
    assert [c.id for c in repository.log("main", "a/y", "a/x")] == [third, first]
    assert [c.id for c in repository.log("main", "a", since=first)] == [third]
    assert len(repository.log("main")) == 4


def test_changes_say_what_each_commit_did_to_each_file(repository: Repository) -> None:
    """Against the first parent, newest first: content ids before and after, None where the file was not there."""
    first = grow(repository, a__x="1", ab__y="1")
    gone = repository.commit("main", first, {"a/x": None, "a/w": b"2", "z": b"3"}, "rename", "ada")
    one, two = blob_id(b"1"), blob_id(b"2")
    expected = [(gone, "a/w", None, two), (gone, "a/x", one, None), (first, "a/x", None, one)]
    found = [(c.commit.id, c.path, c.before, c.after) for c in repository.changes("main", "a")]
    assert found == expected
    assert len(repository.changes("main")) == 5
    assert [c.path for c in repository.changes("main", "a", limit=1)] == ["a/w", "a/x"]
    assert {c.commit.id for c in repository.changes("main", "a", since=first)} == {gone}
    assert repository.changes(gone, "b") == []


@pytest.mark.parametrize("path", ["sp ace", 'quo"te', "new\nline", ":100644 x", "\x01start", "ünï/日本"])
def test_changes_of_odd_paths(repository: Repository, path: str) -> None:
    """Whatever a path looks like, it is told from what stands around it."""
    commit = repository.commit("main", repository.resolve("main"), {path: b"1", "z": b"2"}, "m\x01 :1", "ada")
    found = [(c.commit.id, c.path, c.after) for c in repository.changes("main")]
    assert sorted(found) == sorted([(commit, path, blob_id(b"1")), (commit, "z", blob_id(b"2"))])


def test_first_containing_is_the_oldest_commit_that_has_another(repository: Repository) -> None:
    """A commit of the line is contained by itself first; one that the line does not have is refused."""
    begin = repository.resolve("main")
    topic = repository.commit("topic", begin, {"a": b"1"}, "m", "ada")
    middle = grow(repository, b="1")
    grow(repository, b="2")
    assert repository.first_containing(middle, "main") == middle
    assert repository.first_containing(begin, "main") == begin
    with pytest.raises(InputError, match="does not contain"):
        repository.first_containing(topic, "main")
    with pytest.raises(InputError):
        repository.first_containing("0" * 40, "main")


def test_blobs_are_read_by_content_id(repository: Repository) -> None:
    """Several contents at once; an id that nothing has is left out, and so is one that is no file's."""
    contents = [b"", b"\n", b"a\0b\n\n", "日本".encode()]
    changes: dict[str, bytes | None] = {f"f{n}": data for n, data in enumerate(contents)}
    commit = repository.commit("main", repository.resolve("main"), changes, "m", "ada")
    ids = [blob_id(data) for data in contents]
    assert repository.blobs([*ids, ids[0], "0" * 40, commit]) == dict(zip(ids, contents, strict=True))
    assert repository.blobs([]) == {}


def test_merged_is_the_tree_that_a_merge_would_leave(repository: Repository) -> None:
    """Both sides' files, and no branch moves; it reads like the tree of a commit."""
    base = grow(repository, a="1", gone="1")
    topic = repository.commit("topic", base, {"b": b"2", "gone": None}, "m", "ada")
    main = grow(repository, a="3")
    merged = repository.merged("main", topic)
    tree = repository.tree(merged)
    assert {path: tree.read(path) for path in tree.files()} == {"a": b"3", "b": b"2"}
    assert repository.changed_paths(main, merged) == ["b", "gone"]
    assert repository.changed_paths(topic, merged) == ["a"]
    assert (repository.resolve("main"), repository.resolve("topic")) == (main, topic)


def test_merged_refuses_a_conflict(repository: Repository) -> None:
    """Each file that both sides changed is named."""
    base = grow(repository, a="1", b="1", c="1")
    topic = repository.commit("topic", base, {"a": b"2", "b": b"2", "c": b"2"}, "m", "ada")
    grow(repository, a="3", b="3")
    with pytest.raises(InputError, match="does not merge") as caught:
        repository.merged("main", topic)
    assert [problem.file for problem in caught.value.problems] == ["a", "b"]


def test_contributors_are_those_of_the_new_commits(repository: Repository) -> None:
    """Not those of what both histories have."""
    base = repository.commit("main", "main", {"a": b"1"}, "m", "eve")
    one = repository.commit("topic", base, {"b": b"1"}, "m", "ada <ada@example.invalid>")
    repository.commit("topic", one, {"c": b"1"}, "m", "bob")
    assert repository.contributors("main", "topic") == {"ada", "bob"}
    assert repository.contributors("topic", "main") == set()


def test_merge_base_is_where_histories_part(repository: Repository) -> None:
    """The merge base of a branch and a main that moved on is the branch's starting point."""
    base = grow(repository, a="1")
    branch = grow(repository, "topic", b="1")
    main = grow(repository, c="1")
    assert repository.merge_base(main, branch) == base
    assert repository.merge_base("topic", "main") == base


def test_diff_shows_changed_lines(repository: Repository) -> None:
    """A diff is unified, between two commits' files; empty when they are equal."""
    base = grow(repository, a="one\ntwo\n")
    head = grow(repository, a="one\nthree\n")
    assert "-two\n+three\n" in repository.diff(base, head)
    assert repository.diff(base, base) == ""


def test_checkout_writes_the_files(repository: Repository, tmp_path: Path) -> None:
    """A checkout has every file of the commit with its exact bytes; a directory in use is refused."""
    main = repository.resolve("main")
    files = {"models/a": b"a\r\nb\n", ".gitattributes": b"* text=auto eol=crlf\n*.x ident\n", "id.x": b"$Id$\n"}
    commit = repository.commit("main", main, files, "m", "ada")
    target = tmp_path / "deep" / "checkout"
    repository.checkout(commit, target)
    found = {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()}
    assert {path: data for path, data in found.items() if not path.startswith(".git/")} == files
    with pytest.raises(InputError, match="not empty"):
        repository.checkout(commit, target)


def test_unknown_revisions_are_input_errors(repository: Repository) -> None:
    """A revision that names nothing says so, whatever it is made of."""
    for revision in ("absent", "", "-x", "0" * 40, "a b", "a\nb", "\0", "\ud800", "main^{tree}"):
        with pytest.raises(InputError):
            repository.resolve(revision)


def test_abbreviated_ids_are_resolved(repository: Repository) -> None:
    """The first digits of an id name the commit."""
    commit = grow(repository, a="1")
    assert repository.resolve(commit[:10]) == repository.resolve(commit) == commit


@pytest.mark.parametrize("name", ["-x", "a b", "", "a..b", "HEAD", "a.lock", "a~1", "a:b", "a\nb", "a^", "x?"])
def test_bad_branch_names_are_refused(repository: Repository, name: str) -> None:
    """A name that git or a command line would misread is refused, and the message says what is allowed."""
    with pytest.raises(InputError, match="allowed"):
        repository.commit(name, repository.resolve("main"), {"a": b"1"}, "m", "ada")


@pytest.mark.parametrize("name", ["release/prod/flight_delay", "ünï-日本", "a'b", "a$(x)", "v1.2", "#3", "@a", "a;b"])
def test_odd_branch_names_work(repository: Repository, name: str) -> None:
    """A name that git allows works throughout."""
    commit = repository.commit(name, repository.resolve("main"), {"a": b"1"}, "m", "ada")
    assert repository.resolve(name) == commit
    repository.delete_branch(name)
    with pytest.raises(InputError):
        repository.resolve(name)


def test_deleting_branches(repository: Repository) -> None:
    """Deleting a missing branch is fine; the default branch stays."""
    repository.delete_branch("absent")
    with pytest.raises(InputError, match="default"):
        repository.delete_branch("main")
