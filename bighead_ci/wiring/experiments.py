"""Experiments on a model version of a work tree, with the workspace that it belongs to or one of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bighead_ci.wiring.contexts import context_of, pipeline_of
from bighead_ci.wiring.work_trees import checkout_at
from bighead_ci.workspaces.finding import workspace_or
from bighead_ci.workspaces.layout import WORKSPACE_FILE

if TYPE_CHECKING:
    from bighead_ci.delivery.experiment import Experiments
    from bighead_ci.ports.progress import Progress


def experiments_here(checkout: Path, directory: str, progress: Progress) -> Experiments:
    """Experiments on the version as it lies there now, committed or not; later edits are not in them.

    Raises:
        InputError: the directory is no model version, or the version has problems.
    """
    from bighead_ci.definitions.tree import FixedTree
    from bighead_ci.delivery.experiment import Experiments, Subject
    from bighead_ci.delivery.stages.place import StagePlace
    from bighead_ci.planning.experiments import is_read

    _, model, version = StagePlace(checkout, directory).directory.split("/")
    here = checkout_at(checkout)
    tree = FixedTree(here.tree, lambda path: is_read(path, directory))
    subject = Subject(
        model=model,
        version=version,
        tree=tree,
        commit=here.git.head if here.git else None,
        dirty=here.git is None or any(is_read(path, directory) for path in here.git.uncommitted),
    )
    return Experiments(context_of(workspace_or(checkout)), subject, progress)


def bring_data(checkout: Path, directory: str, progress: Progress) -> None:
    """Have the data of a version's sources in the work tree, where its owner lets them be made, and in the cache.

    Raises:
        InputError: the data that can be had is not what dvc.lock names.
        RetryError: the disk is full, or other stages run in the work tree.
    """
    from bighead_ci.orchestrators.data import needed_data
    from bighead_ci.planning.dvc_pipeline import PIPELINE

    workspace = workspace_or(checkout)
    if not (workspace.state / WORKSPACE_FILE).exists():  # stages of other checkouts find its environments by this
        workspace.write(workspace.state / WORKSPACE_FILE)
    needed = needed_data(checkout, f"{directory}/{PIPELINE}")
    pipeline_of(workspace).import_sources(checkout, progress, needed)
