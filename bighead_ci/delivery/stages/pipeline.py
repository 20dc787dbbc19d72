"""The one list of stages: what each is called, needs and leaves. `dvc.yaml` of a version is a view of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from bighead_ci.definitions.loading import load_model
from bighead_ci.delivery.stages.place import used_sets, used_sources
from bighead_ci.documents.definition import SourceDefinition, VersionedFeatureSet, VersionedModel
from bighead_ci.errors import InputError, Problem
from bighead_ci.ports.tree import Tree

ENGINE_FILE = ".bighead/engine.json"
"""Digest of the engine, in every checkout that stages run in; every stage depends on it."""

SOURCES = "<sources>"
"""Stands for the definitions and Parquet files of every source, and the definitions of the feature sets."""
FEATURE_EXPECTATIONS = "<feature expectations>"
"""Stands for the expectations beside the feature sets."""

_HEADER = "# Generated from model.yaml by `bighead`: the stages as DVC runs them. `bighead check` compares it.\n"


@dataclass(frozen=True)
class Stage:
    """One stage. Paths are relative to the version's directory."""

    name: str
    needs: tuple[str, ...]
    leaves: tuple[str, ...]
    always: bool = False
    """Run it even if nothing it needs changed."""


STAGES = (
    Stage("training-set", ("model.yaml", SOURCES), ("out/training_set.parquet", "out/training_set.json")),
    Stage(
        "quality",
        ("model.yaml", "expectations.yaml", FEATURE_EXPECTATIONS, "out/training_set.parquet"),
        ("out/quality.json", "out/profile.json"),
    ),
    Stage(
        "train",
        ("model.yaml", "model.py", "golden_rows.json", "out/training_set.parquet"),
        ("out/artifact", "out/conversion.json"),
    ),
    Stage(
        "evaluate",
        ("model.yaml", "out/artifact", "out/conversion.json", "out/training_set.parquet"),
        ("out/evaluation.json", "out/predictions.parquet"),
    ),
    # The image is determined by every file of the version, also by those that no stage reads.
    Stage(
        "package",
        ("model.yaml", "requirements.lock", "out/artifact", "out/evaluation.json", "out/training_set.parquet"),
        ("out/package.json",),
        always=True,
    ),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)


def dvc_yaml(tree: Tree, name: str, version: str) -> str:
    """The text of a version's `dvc.yaml`.

    Raises:
        InputError: the model, a feature set or a source is missing or has problems.
    """
    model = load_model(tree, name, version)
    sets = used_sets(tree, model)
    sources = used_sources(tree, model, sets)
    files = tree.files()
    expectations = [path for path in (f"{one.path}/expectations.yaml" for one in sets) if path in files]
    stages = {stage.name: _entry(stage, model, sets, sources, expectations) for stage in STAGES}
    text: str = yaml.safe_dump({"stages": stages}, sort_keys=False, width=1000)
    return _HEADER + text


def stale_pipeline(tree: Tree, name: str, version: str) -> list[Problem]:
    """The problem of a version whose `dvc.yaml` is not what its definition generates.

    A missing file, or a definition that cannot be read, is found by `check_tree`.
    """
    path = f"models/{name}/{version}/dvc.yaml"
    try:
        wanted = dvc_yaml(tree, name, version)
    except InputError:
        return []
    if path not in tree.files() or tree.read(path) == wanted.encode():
        return []
    return [Problem(path, None, "", "is not what model.yaml generates: run `bighead check --write`")]


def _entry(
    stage: Stage,
    model: VersionedModel,
    sets: Sequence[VersionedFeatureSet],
    sources: dict[str, SourceDefinition],
    expectations: Sequence[str],
) -> dict[str, object]:
    needs = [ENGINE_FILE]
    for need in stage.needs:
        if need == SOURCES:
            needs += [f"features/sources/{name}.yaml" for name in sources]
            needs += sorted({f"features/sources/{source.path}" for source in sources.values()})
            needs += [f"{feature_set.path}/feature_set.yaml" for feature_set in sets]
        elif need == FEATURE_EXPECTATIONS:
            needs += expectations
        else:
            needs.append(f"{model.path}/{need}")
    entry: dict[str, object] = {
        "cmd": f"bighead stage {stage.name} {model.path}",
        "wdir": "../../..",
        "deps": needs,
        "outs": [f"{model.path}/{left}" for left in stage.leaves],
    }
    return entry | ({"always_changed": True} if stage.always else {})
