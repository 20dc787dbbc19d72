"""The stages of a model version as DVC runs them: its `dvc.yaml`, a view of what each stage reads. Pure.

What no file of the checkout holds (definitions after parsing, the engine, its libraries) is written into a file a stage
by the first stage, which always runs: so `dvc repro` by itself never takes an old result for a new one.
"""

from __future__ import annotations

import yaml

from bighead_ci.definitions.files import Files
from bighead_ci.documents.definition import VersionedModel
from bighead_ci.documents.stage import SourceData
from bighead_ci.errors import InputError, Problem
from bighead_ci.planning.meaning import Definitions
from bighead_ci.planning.specs import data_file, stage_files, used_sources
from bighead_ci.planning.stages import INPUTS_STAGE, STAGES, TRAINING_SET, Stage, stages_of
from bighead_ci.ports.tree import Tree

PIPELINE = "dvc.yaml"
_HEADER = "# Generated from model.yaml by `bighead`: the stages as DVC runs them. `bighead check` compares it.\n"
_UP = "../../.."
"""From a version's directory to the repository's."""


def dvc_yaml(tree: Tree, name: str, version: str) -> str:
    """The text of a version's `dvc.yaml`.

    Raises:
        InputError: the model, a feature set or a source is missing or has problems.
    """
    definitions = Definitions(Files(tree))
    model = definitions.model(name, version)
    stages = {INPUTS_STAGE: _inputs_entry(model)}
    stages |= {stage.name: _entry(stage, definitions, model) for stage in stages_of(model.definition.serving.kind)}
    text: str = yaml.safe_dump({"stages": stages}, sort_keys=False, width=1000)
    return _HEADER + text


def stale_pipeline(tree: Tree, name: str, version: str) -> list[Problem]:
    """The problem of a version whose `dvc.yaml` is not what its definition generates.

    A missing file, or a definition that cannot be read, is found by `check_tree`.
    """
    path = f"models/{name}/{version}/{PIPELINE}"
    try:
        wanted = dvc_yaml(tree, name, version)
    except InputError:
        return []
    if path not in tree.files() or tree.read(path) == wanted.encode():
        return []
    message = "is not what the version's files generate: run `bighead check --write`"
    return [Problem(file=path, message=message)]


def _inputs_entry(model: VersionedModel) -> dict[str, object]:
    return {
        "cmd": f"bighead stage {INPUTS_STAGE} {model.path}",
        "wdir": _UP,
        "outs": [f"{model.path}/out/{stage.order}" for stage in STAGES],
        "always_changed": True,
    }


def _entry(stage: Stage, definitions: Definitions, model: VersionedModel) -> dict[str, object]:
    needs = [f"{model.path}/out/{stage.order}", *stage_files(definitions.files, stage, model)]
    needs += [data.file for data in _data(definitions, model)] if TRAINING_SET in stage.leaves else []
    needs += [f"{model.path}/out/{file}" for file in stage.needs]
    return {
        "cmd": f"bighead stage {stage.name} {model.path}",
        "wdir": _UP,
        "deps": needs,
        "outs": [f"{model.path}/out/{file}" for file in (*stage.leaves, stage.confinement)],
    }


def _data(definitions: Definitions, model: VersionedModel) -> list[SourceData]:
    """Once a file: several sources may be made of one."""
    sources = used_sources(definitions, model)
    found = [data_file(model, name, definitions.source(name), digest="") for name in sources]
    return list({data.file: data for data in found}.values())
