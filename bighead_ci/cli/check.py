"""`bighead check`: what is wrong with a work tree, and what the checks would refuse of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from bighead_ci.cli.output import EXIT_REFUSED, answer, checkout_option, json_option, reports_errors
from bighead_ci.definitions.check import affected, check_files
from bighead_ci.definitions.data_pipeline import PIPELINE
from bighead_ci.definitions.files import Files, Place, place_of
from bighead_ci.delivery.admission import admission_problems
from bighead_ci.documents.base import write_atomically
from bighead_ci.errors import InputError, Problem
from bighead_ci.planning.data import committed_data, data_problems, sound_source
from bighead_ci.planning.dvc_pipeline import dvc_yaml
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.meaning import DATA_LOCK, data_path
from bighead_ci.planning.versions import version_problems
from bighead_ci.ports.tree import Tree
from bighead_ci.wiring.contexts import installed_engine
from bighead_ci.wiring.work_trees import Checkout, checkout_at


@click.command("check")
@click.argument("paths", nargs=-1)
@click.option("--write", is_flag=True, help="First write each model's generated dvc.yaml anew.")
@checkout_option
@json_option
@reports_errors
def check_command(paths: tuple[str, ...], write: bool, checkout: Path, as_json: bool) -> None:
    """Check every authored file, or only PATHS and what depends on them.

    In a clone, also find what a pull request of this work tree, committed or not, would be refused for: against
    origin/main as it was fetched last. Nothing is fetched.

    All problems come at once, each with file, line, what is allowed and what was probably meant. Exit code 1 if there
    are any. Nothing of yours is executed.

    \b
    bighead check                                everything
    bighead check models/flight_delay/v2         one model version
    bighead check --write                        and bring generated dvc.yaml files up to date
    """  # noqa: D301 - click's \b keeps the lines
    here = checkout_at(checkout)
    if not Files(here.tree).places:
        raise InputError(f"{checkout.resolve()} has no models/, features/, environments/ or policies/; see --checkout")
    written = _write_pipelines(here.tree, checkout) if write else []
    check = _Check(checkout_at(checkout), paths)
    problems, against = check.problems()
    lines = [*(f"wrote {path}" for path in written), *map(str, problems), _words(against)]
    lines.append(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}" if problems else "no problems")
    data = {"problems": [problem.as_json() for problem in problems], "written": written, "main": against}
    answer(data, "\n".join(lines), as_json)
    sys.exit(EXIT_REFUSED if problems else 0)


def _words(against: dict[str, Any]) -> str:
    """In one line, what was compared with main."""
    if "why_not" in against:
        return f"not compared with main: {against['why_not']}"
    when = f"fetched {against['fetched']}" if against["fetched"] else "as it was cloned"
    behind = "; it has commits that are not here, and the answer is for the merge" if against["behind"] else ""
    return f"compared with origin/main {against['commit'][:10]}, {when}{behind}"


@dataclass(frozen=True)
class _Check:
    """One look at a checkout."""

    here: Checkout
    given: tuple[str, ...]
    """Paths to which it is confined; none: everything."""

    @cached_property
    def files(self) -> Files:
        return Files(self.here.tree)

    @cached_property
    def chosen(self) -> list[str] | None:
        """Files that are looked at; None: all."""
        return _files_below(self.files, self.given) if self.given else None

    @cached_property
    def places(self) -> frozenset[Place]:
        """What is looked at: what the files are part of, and what depends on that."""
        return self.files.places if self.chosen is None else frozenset(affected(self.files, self.chosen))

    def problems(self) -> tuple[list[Problem], dict[str, Any]]:
        """All that is wrong, and what it was compared with."""
        found = {*self._of_files()}
        try:
            draft = self.here.draft()
        except InputError as error:
            against: dict[str, Any] = {"why_not": str(error)}
        else:
            found |= {one for one in admission_problems(self.here.context(), draft) if self._is_chosen(one.file)}
            fetched = self.here.git.fetched if self.here.git is not None else None
            against = {
                "commit": draft.main.commit,
                "behind": draft.is_behind,
                "fetched": f"{fetched:%Y-%m-%d %H:%M} UTC" if fetched else None,
            }
        problems = sorted(map(self._as_git_has_it, found), key=lambda p: (p.file, p.line or 0, p.subject, p.message))
        return problems, against

    def _of_files(self) -> Iterator[Problem]:
        yield from check_files(self.files, self.chosen)
        directories = self._directories()
        yield from directories.values()
        yield from data_problems(self.files, self.places - directories.keys())
        if self.here.git is not None:
            yield from committed_data(self.files, self.files.ids if self.chosen is None else self.chosen)
        inputs = Inputs(self.files, installed_engine())
        own = {place_of(path) for path in self.chosen} if self.chosen is not None else self.files.places
        for place in sorted(self.files.places & own):
            if place.kind == "model":
                yield from version_problems(inputs, place.name, place.of)

    def _directories(self) -> dict[Place, Problem]:
        """Sources whose data lies here as a directory; git ignores data, so no tree has it."""
        found = {}
        for place in self.places:
            source, read = sound_source(self.files, place), self.files.read(place)
            if source is not None and read is not None and (self.here.directory / data_path(source)).is_dir():
                message = "is a directory here: let its stage write its rows into one file"
                found[place] = read.problem(place.file, ("path",), message, source.path)
        return found

    def _is_chosen(self, file: str) -> bool:
        if self.chosen is None or file in {PIPELINE, DATA_LOCK}:
            return True
        return file in self.chosen or any(
            file in {place.file, place.folder} or place_of(file) == place for place in self.places
        )

    def _as_git_has_it(self, problem: Problem) -> Problem:
        """A file that is there and that git ignores is missing in every commit."""
        git = self.here.git
        if git is None or problem.file in git.files or not (self.here.directory / problem.file).is_file():
            return problem
        message = f"git ignores this file, so no commit has it: git add --force {problem.file}"
        return replace(problem, message=message)


def _write_pipelines(tree: Tree, checkout: Path) -> list[str]:
    stale = {path: text for path, text in _pipelines(tree).items() if not _holds(tree, path, text)}
    for path, text in stale.items():
        write_atomically(checkout / path, text.encode())
    return sorted(stale)


def _holds(tree: Tree, path: str, text: str) -> bool:
    return path in tree.files() and tree.read(path) == text.encode()


def _pipelines(tree: Tree) -> dict[str, str]:
    """Path → text of the generated `dvc.yaml` of each model version whose definition can be read."""
    found = {}
    for place in sorted(Files(tree).places):
        if place.kind == "model":
            try:
                found[f"{place.folder}/dvc.yaml"] = dvc_yaml(tree, place.name, place.of)
            except InputError:
                continue
    return found


def _files_below(files: Files, paths: tuple[str, ...]) -> list[str]:
    known = list(files.ids)
    chosen = []
    for path in (given.rstrip("/").removeprefix("./") for given in paths):
        below = [file for file in known if file == path or file.startswith(f"{path}/")]
        if not below:
            raise InputError(f"there is no file {path!r}; paths are relative to the repository")
        chosen += below
    return chosen
