"""Lines of authored files for problems that were found where only values are known: a stage reads no model.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bighead_ci.definitions.yaml_reader import parse
from bighead_ci.errors import InputError, Problem


def with_lines(error: InputError, checkout: Path, files: Iterable[str]) -> InputError:
    """The same error with the line of each problem that names a field of one of the files, and no line.

    Args:
        error: What was found.
        checkout: Where the files are.
        files: YAML, relative to the checkout; others that a problem names are not opened.
    """
    read = set(files)
    if not any(_lacks_line(problem, read) for problem in error.problems):
        return error
    return InputError(
        _placed(problem, checkout) if _lacks_line(problem, read) else problem for problem in error.problems
    )


def _lacks_line(problem: Problem, files: set[str]) -> bool:
    return problem.line is None and problem.file in files


def _placed(problem: Problem, checkout: Path) -> Problem:
    try:
        parsed, _ = parse(problem.file, (checkout / problem.file).read_bytes())
    except OSError:
        return problem
    return replace(problem, line=parsed.line(problem.subject.split(".")) if parsed else None)
