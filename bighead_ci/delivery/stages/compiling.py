"""Compiles a trained model to kinds that need no code of the version."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bighead_ci.delivery.stages.made import Made, Way, Ways
from bighead_ci.documents.artifact import GRAPH, ArtifactManifest
from bighead_ci.errors import InputError
from bighead_ci.model_code.code import ModelCode
from bighead_ci.scorers.registry import LOADERS
from bighead_ci.transforms.compiler import Compiled, Compiler


def compiled(compilers: Sequence[Compiler]) -> Ways:
    """The compilers in their order; an estimator with a `to_onnx(inputs)` is asked itself, and nobody else."""

    def ways(estimator: Any, manifest: ArtifactManifest, code: ModelCode) -> list[Way]:
        if hasattr(estimator, "to_onnx"):
            with code.blaming("to_onnx"):
                graph = Compiled("onnx", {GRAPH: estimator.to_onnx(manifest.inputs)})
            return [Way("onnx", lambda _estimator, manifest, _code: _made(graph, manifest))]
        if code.trains:
            instead = (
                "write `serving: {kind: python}` in model.yaml, then run `bighead lock`; or give it to_onnx(inputs)"
            )
            raise InputError([code.problem("train", f"{type(estimator).__name__} has no compiled form: {instead}")])
        return [Way(compiler.name, partial(_compiled, compiler)) for compiler in compilers]

    return ways


def _compiled(compiler: Compiler, estimator: Any, manifest: ArtifactManifest, _code: ModelCode) -> Made:
    return _made(compiler.compiled(estimator, manifest), manifest)


def _made(form: Compiled, manifest: ArtifactManifest) -> Made:
    mine = manifest.model_copy(update={"kind": form.kind, "files": sorted(form.files)})
    with TemporaryDirectory(prefix="bighead-artifact-") as directory:
        for name, content in form.files.items():
            (Path(directory) / name).write_bytes(content)
        try:
            scorer = LOADERS[form.kind](Path(directory), mine)
        except InputError as error:
            raise InputError(str(error).replace(f"{directory}/", "").replace(f"{directory}: ", "")) from error
    return Made(mine, form.files, scorer, LOADERS, f"{form.kind} form of the estimator")
