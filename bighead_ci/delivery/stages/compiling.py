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
from bighead_ci.transforms.columns import Columns
from bighead_ci.transforms.compiler import Compiled, Compiler
from bighead_ci.transforms.domains import narrowed
from bighead_ci.transforms.onnx_graph import without_metadata


def compiled(compilers: Sequence[Compiler], otherwise: Ways | None = None) -> Ways:
    """The compilers in their order; an estimator with a `to_onnx(inputs)` is asked itself, and nobody else.

    Args:
        compilers: Of what `build` returned.
        otherwise: What to try where nothing compiled answers; None: nothing.
    """

    def ways(estimator: Any, manifest: ArtifactManifest, code: ModelCode, training: Columns) -> list[Way]:
        last = otherwise(estimator, manifest, code, training) if otherwise else ()
        if hasattr(estimator, "to_onnx"):
            return [Way("onnx", _own_graph), *last]
        if code.trains:
            return [Way("onnx", _no_graph), *last]
        return [*(Way(compiler.name, partial(_compiled, compiler, training)) for compiler in compilers), *last]

    return ways


def _own_graph(model: Any, manifest: ArtifactManifest, code: ModelCode) -> Made:
    with code.blaming("to_onnx"):
        graph = without_metadata(model.to_onnx(manifest.inputs))
    return _made(Compiled("onnx", {GRAPH: graph}), manifest)


def _no_graph(model: Any, _manifest: ArtifactManifest, code: ModelCode) -> Made:
    message = f"{type(model).__name__} has no to_onnx(inputs), without which nothing compiles what train() returned"
    raise InputError([code.problem("train", message)])


def _compiled(
    compiler: Compiler, training: Columns, estimator: Any, manifest: ArtifactManifest, _code: ModelCode
) -> Made:
    form = compiler.compiled(estimator, manifest, training)
    if compiler.largest is not None:
        narrow = narrowed(manifest.domains, manifest.inputs, compiler.largest)
        manifest = manifest.model_copy(update={"domains": narrow})
    return _made(form, manifest)


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
