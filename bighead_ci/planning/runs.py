"""What the next run of a model version is made of beside its definition: its moment, and its data. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from bighead_ci.definitions.check import check_tree
from bighead_ci.definitions.files import RUN, Files
from bighead_ci.definitions.tree import OverlaidTree
from bighead_ci.documents.definition import RunDefinition
from bighead_ci.errors import InputError
from bighead_ci.planning.dvc_pipeline import PIPELINE, dvc_yaml
from bighead_ci.planning.meaning import Definitions
from bighead_ci.planning.specs import used_sources
from bighead_ci.ports.tree import Tree


def next_run(
    definitions: Definitions, name: str, version: str, *, as_of: datetime | None, pinned: bool | None
) -> RunDefinition:
    """The run of a version with another moment or other data; what is not asked for stays as it is.

    Args:
        definitions: Of the tree that the version is in.
        name: The model.
        version: `v2`.
        as_of: The moment whose knowledge training uses; None: as it is.
        pinned: Name the data of every source by its digest in dvc.lock now; False: none, so that they move with
            dvc.lock; None: as it is.

    Raises:
        InputError: the version is missing or has problems, or a source's data was never snapshot.
    """
    model = definitions.model(name, version)
    data = model.run.data
    if pinned is not None:
        data = {one: definitions.snapshot(one) for one in used_sources(definitions, model)} if pinned else {}
    return RunDefinition(as_of=as_of or model.run.as_of, data=data)


def run_files(tree: Tree, name: str, version: str, run: RunDefinition) -> dict[str, bytes]:
    """Path → content of the files that a run changes: `run.yaml`, and the version's view of it for DVC.

    A file whose meaning stays is not among them, whatever it is written like.

    Raises:
        InputError: the version would have problems with it; all of them, with file and line.
    """
    folder = f"models/{name}/{version}"
    changed = {}
    if Files(tree).run(name, version) != run:
        changed[f"{folder}/{RUN}"] = run_yaml(run).encode()
    pipeline = dvc_yaml(OverlaidTree(tree, changed), name, version).encode()
    if not Files(tree).has(f"{folder}/{PIPELINE}") or tree.read(f"{folder}/{PIPELINE}") != pipeline:
        changed[f"{folder}/{PIPELINE}"] = pipeline
    if problems := check_tree(OverlaidTree(tree, changed), [f"{folder}/model.yaml"]):
        raise InputError(problems)
    return changed


def run_yaml(run: RunDefinition) -> str:
    """The text of a `run.yaml`; digests are quoted, for one without letters would be read as a number."""
    lines = [f"as_of: {run.as_of.astimezone(UTC).isoformat().replace('+00:00', 'Z')}"] if run.as_of else []
    lines += ["data:" if run.data else "data: {}"] if run.data or not lines else []
    lines += [f'  {source}: "{digest}"' for source, digest in sorted(run.data.items())]
    return "".join(f"{line}\n" for line in lines)
