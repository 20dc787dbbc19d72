"""Runs a command of the repository's own pipeline, which makes data, in a sandbox and in a directory of its own.

The command sees copies of what its stage declares as dependencies, and what it leaves is taken over if the stage
declares it. So what it reads is what DVC's cache knows it by, and an undeclared read is a missing file, not another
result under the same key.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from bighead_ci.definitions.data_pipeline import (
    OUTSIDE,
    PIPELINE,
    SANDBOX_OPTIONS,
    WRONG_SANDBOX_OPTIONS,
    sandbox_options,
)
from bighead_ci.documents.sandbox import Limits
from bighead_ci.errors import InputError, Problem
from bighead_ci.orchestrators.left_files import files_below, move_over
from bighead_ci.orchestrators.stage_process import confined_environment, limit_reached
from bighead_ci.ports.sandbox import Confined, Sandbox
from bighead_ci.processes import NETWORK_VARIABLES, interpreter_paths

SHELL = "/bin/sh"


@dataclass(frozen=True)
class DataStage:
    """A stage of the repository's own pipeline; paths are relative to the checkout."""

    name: str
    reads: Sequence[str]
    leaves: Sequence[str]
    network: bool = False
    """It asks for other machines."""
    variables: Sequence[str] = field(default=())
    """Environment variables that it asks for."""

    @property
    def asks(self) -> bool:
        """Whether it wants more than its files."""
        return self.network or bool(self.variables)


def data_stage(checkout: Path, address: str) -> DataStage:
    """A stage as DVC reads it, with `foreach` and templates resolved.

    Raises:
        InputError: it reads or leaves files outside the repository, or what it asks for is not written as it must be.
    """
    with Repo(str(checkout)) as repo:
        (stage,) = repo.stage.collect(address)
        asked = (stage.meta or {}).get("sandbox", {}) if isinstance(stage.meta or {}, dict) else {}
        return DataStage(
            name=address,
            reads=[_inside(checkout, address, one) for one in stage.deps if one.protocol == "local"],
            leaves=[_inside(checkout, address, one) for one in stage.outs],
            **_asked(address, asked),
        )


def _inside(checkout: Path, address: str, file: Any) -> str:
    path = Path(file.fs_path)
    if file.protocol != "local" or not path.is_relative_to(checkout):
        raise InputError([Problem(file=PIPELINE, subject=f"stages.{address}", message=OUTSIDE, value=str(file))])
    return path.relative_to(checkout).as_posix()


def _asked(address: str, asked: Any) -> dict[str, Any]:
    """What `meta.sandbox` of a stage says."""
    found = sandbox_options(asked)
    if found is None:
        problem = Problem(
            file=PIPELINE,
            subject=f"stages.{address}.meta.sandbox",
            message=WRONG_SANDBOX_OPTIONS,
            value=str(asked),
            allowed=SANDBOX_OPTIONS,
        )
        raise InputError([problem])
    return dict(zip(("network", "variables"), found, strict=True))


@dataclass(frozen=True)
class DataProcesses:
    """How commands that make data run on this machine.

    Args:
        engine: The interpreter that `python` means in a command.
        sandbox: Holds the command.
        limits: When it is ended.
        quiet: Variables by which libraries are told not to report home.
        output: Gets the lines that it prints.
    """

    engine: Path
    sandbox: Sandbox
    limits: Limits
    quiet: dict[str, str]
    output: Callable[[str], None]

    def run(self, checkout: Path, stage: DataStage, command: str, directory: str, *, granted: bool) -> int:
        """Run a command of a stage; its exit code.

        Args:
            checkout: The work tree.
            stage: Whose command it is.
            command: For the shell.
            directory: Where it works, relative to the checkout.
            granted: Whether the stage gets the network and the variables that it asks for.

        Raises:
            InputError: it asks for what it does not get, it leaves something else than it declares, or reaches a limit.
        """
        if stage.asks and not granted:
            raise InputError(_refused(stage))
        with _copy(checkout, stage, directory) as place:
            ended = self.sandbox.run(
                Confined(
                    [SHELL, "-c", command],
                    directory=place / directory,
                    limits=self.limits,
                    reads=interpreter_paths(self.engine),
                    writes=[place],
                    variables=self._variables(stage),
                    network=stage.network,
                ),
                self.output,
            )
            if ended.limit:
                raise limit_reached(f"stage {stage.name} of dvc.yaml", ended.limit, self.limits)
            if ended.code == 0:
                _take_over(checkout, stage, place)
            return ended.code

    def _variables(self, stage: DataStage) -> dict[str, str]:
        return confined_environment(*stage.variables, *(NETWORK_VARIABLES if stage.network else ())) | self.quiet


def _refused(stage: DataStage) -> list[Problem]:
    words = [*(["the network"] if stage.network else []), *stage.variables]
    message = (
        "asks for more than its files, and main does not have this very stage: run `dvc repro dvc.yaml` yourself and "
        "commit dvc.lock, or bring the stage to main first; once it is reviewed there, checks give it what it asks for"
    )
    subject = f"stages.{stage.name}.meta.sandbox"
    return [Problem(file="dvc.yaml", subject=subject, message=message, value=", ".join(words))]


@contextmanager
def _copy(checkout: Path, stage: DataStage, directory: str) -> Iterator[Path]:
    """A directory with copies of what a stage reads, and places for what it leaves."""
    place = checkout / ".bighead" / "data" / stage.name.replace("/", "-")
    shutil.rmtree(place, ignore_errors=True)
    (place / directory).mkdir(parents=True)
    try:
        for path in stage.reads:
            if (checkout / path).is_dir():
                shutil.copytree(checkout / path, place / path)
            else:
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(checkout / path, place / path)
        for path in stage.leaves:
            (place / path).parent.mkdir(parents=True, exist_ok=True)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _take_over(checkout: Path, stage: DataStage, place: Path) -> None:
    """Move what a stage declares to the checkout; what else it left is dropped."""
    problems = [
        Problem(file=path, subject=f"stage {stage.name}", message=message)
        for leaf in stage.leaves
        for path, message in _wrong(place, leaf)
    ]
    if problems:
        raise InputError(problems)
    for leaf in stage.leaves:
        move_over(place / leaf, checkout / leaf)


def _wrong(place: Path, leaf: str) -> Iterator[tuple[str, str]]:
    if not os.path.lexists(place / leaf):
        yield leaf, "is missing: the command ended well and did not leave it"
    yield from ((path, message) for path, message in files_below(place / leaf, leaf) if message)
