"""An artifact that a process was not meant for is refused before the process answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bighead_ci.documents.artifact import ArtifactManifest
from bighead_ci.documents.live import VariantConfig
from bighead_ci.errors import InputError
from bighead_ci.ports.online_store import OnlineStore
from bighead_ci.scorers.artifact import artifact_digest
from bighead_ci.serving.process import Openers, prepare
from fakes.serving import a_config
from fakes.tiny_artifact import write_tiny_artifact


def no_store(_: VariantConfig) -> OnlineStore:
    pytest.fail("it has no features")


OPENERS = Openers(no_store, lambda _: None)


def test_an_artifact_of_another_model_is_refused_by_name(tmp_path: Path) -> None:
    """Whole and with the digest that was asked for: both models are said."""
    digest = write_tiny_artifact(tmp_path / "artifact", model="other", version="v7")
    config = a_config(tmp_path).model_copy(update={"artifact": digest, "artifact_path": tmp_path / "artifact"})
    message = f"artifact {digest} is of other/v7, not of {config.model}/{config.version}"
    with pytest.raises(InputError, match=message):
        prepare(config, OPENERS)


def test_an_artifact_of_a_kind_that_is_not_loaded_here_is_refused(tmp_path: Path) -> None:
    """A process of compiled kinds runs no version's code, whatever the artifact says of itself."""
    artifact = tmp_path / "artifact"
    config = a_config(tmp_path)
    write_tiny_artifact(artifact, model=config.model, version=config.version)
    manifest = ArtifactManifest.read(artifact / "artifact.json")
    manifest.model_copy(update={"kind": "python"}).write(artifact / "artifact.json")
    foreign = config.model_copy(update={"artifact": artifact_digest(artifact), "artifact_path": artifact})
    with pytest.raises(InputError, match="the artifact is of kind python; loaded here are: linear, onnx, trees"):
        prepare(foreign, OPENERS)
