"""Stages of a model version in a work tree, which need no workspace."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bighead_ci.wiring.contexts import context_of, installed_engine, pipeline_of, python_environments
from bighead_ci.wiring.work_trees import work_tree
from bighead_ci.workspaces import variables
from bighead_ci.workspaces.finding import find_workspace, workspace_or

if TYPE_CHECKING:
    from bighead_ci.documents.record import Timings
    from bighead_ci.images.locks import Locked
    from bighead_ci.orchestrators.dvc import DvcPipeline
    from bighead_ci.planning.inputs import Inputs
    from bighead_ci.ports.clock import Clock
    from bighead_ci.ports.progress import Progress
    from bighead_ci.workspaces.layout import Workspace


def pipeline_here(checkout: Path) -> DvcPipeline:
    """DVC with the workspace's cache; without a workspace, with one in the checkout."""
    return pipeline_of(workspace_or(checkout))


def trained_page(checkout: Path, directory: str, timings: Timings, seconds: float) -> Path:
    """Write the page of a run; see `delivery.trained`.

    Raises:
        InputError: no workspace says what runs, or main has problems.
    """
    from bighead_ci.delivery.stages.place import StagePlace
    from bighead_ci.delivery.trained import report_trained

    return report_trained(context_of(find_workspace()), StagePlace(checkout, directory).out, timings, seconds)


def data_clock_here(checkout: Path) -> Clock:
    """The moment that the workspace's data lives at; without a workspace, the machine's time."""
    return context_of(workspace_or(checkout)).data_clock


def inputs_of(checkout: Path) -> Inputs:
    """What determines the results of the versions of a work tree, run by this engine."""
    from bighead_ci.definitions.files import Files
    from bighead_ci.planning.inputs import Inputs

    return Inputs(Files(work_tree(checkout)), installed_engine())


def lock(checkout: Path, directory: str, asked: dict[str, list[str]], dropped: list[str], progress: Progress) -> Locked:
    """Write the locks of a version; see `images.locks.write_locks`."""
    from bighead_ci.delivery.stages.place import StagePlace
    from bighead_ci.images.locks import write_locks

    return write_locks(StagePlace(checkout, directory), inputs_of(checkout), asked, dropped, progress)


def write_orders(checkout: Path, directory: str, progress: Progress) -> None:
    """Write down what each stage of a version is told, and put data of an earlier day in place.

    Raises:
        InputError: a definition has problems.
    """
    from bighead_ci.delivery.stages.orders import leave_orders
    from bighead_ci.delivery.stages.place import StagePlace
    from bighead_ci.orchestrators.data import put_in_place

    data = leave_orders(StagePlace(checkout, directory), inputs_of(checkout), progress)
    put_in_place(checkout, workspace_or(checkout).dvc_cache, f"{directory}/run.yaml", data)


def run_stage(name: str, checkout: Path, directory: str, progress: Progress) -> None:
    """Run one stage of a model version on the files of a checkout; see `orchestrators.stage_process`."""
    from bighead_ci.definitions.files import Files
    from bighead_ci.definitions.tree import DirectoryTree
    from bighead_ci.delivery.stages.place import StagePlace
    from bighead_ci.orchestrators.stage_process import StageProcesses
    from bighead_ci.planning.stages import stage_called
    from bighead_ci.sandbox.choice import limits_of, sandbox_of

    processes = StageProcesses(
        engine=Path(sys.executable),
        ensure=python_environments(workspace_or(checkout)).ensure,
        sandbox=sandbox_of(os.environ),
        limits=limits_of(os.environ),
        quiet=variables.QUIET,
        output=_print,
    )
    place = StagePlace(checkout, directory)
    model = Files(DirectoryTree(checkout)).model(*directory.split("/")[1:])
    kind = None if model is None else model.serving.kind  # what is wrong with it, the stage before said
    processes.run(stage_called(name, kind), place, progress)


def run_data_command(checkout: Path, stage: str, command: str, directory: Path) -> int:
    """Run a command of the repository's own pipeline in a sandbox; its exit code.

    A person's own clone gives a stage what it asks for; checks do where main has this very stage.
    """
    from bighead_ci.orchestrators.data_process import DataProcesses, data_stage
    from bighead_ci.sandbox.choice import limits_of, sandbox_of

    found, workspace = data_stage(checkout, stage), workspace_or(checkout)
    processes = DataProcesses(
        engine=Path(sys.executable),
        sandbox=sandbox_of(os.environ),
        limits=limits_of(os.environ),
        quiet=variables.QUIET,
        output=_print,
    )
    checks = checkout.is_relative_to(workspace.checkouts.resolve())
    granted = not checks or _is_on_main(workspace, checkout, found.reads)
    return processes.run(checkout, found, command, directory.relative_to(checkout).as_posix(), granted=granted)


def _is_on_main(workspace: Workspace, checkout: Path, reads: Sequence[str]) -> bool:
    """Whether main has the repository's pipeline, and the files that a stage of it reads, as the checkout has them."""
    from bighead_ci.definitions.tree import DirectoryTree

    main, here = context_of(workspace).main().tree, DirectoryTree(checkout).files()
    ours = main.files()
    return all(ours.get(path) == here.get(path) for path in ("dvc.yaml", *reads))


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
