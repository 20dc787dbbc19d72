"""Images that are directories: what a variant's process needs, frozen, under the digest of what determines it.

`<images>/<hex>/`: `image.json`, `files.json` (path → digest of every other file), `serving.json` (the version's
serving settings), `model/` (the version's own files), `engine/bighead_ci/` (the engine it was shipped with).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import yaml
from pydantic import ValidationError

from bighead_ci.documents.artifact import ImageManifest
from bighead_ci.documents.base import canonical_json, digest_of, digest_of_bytes
from bighead_ci.documents.definition import Serving
from bighead_ci.errors import InputError
from bighead_ci.images.engine import engine_digest, package_directory
from bighead_ci.images.environments import environment_interpreter, make_environment
from bighead_ci.images.lock import read_pins, unsatisfied

LOCK = "requirements.lock"
LEFT_OUT = frozenset({"out", "__pycache__", "README.md", "dvc.yaml", "dvc.lock"})
"""Of a version's directory: results, the model card, and how stages are run. None of it runs in the process."""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def _silent(_: str) -> None:
    """Progress that nobody watches."""


class ProcessImageBuilder:
    """Builds and finds images in a directory."""

    def __init__(self, root: Path, progress: Callable[[str], None] = _silent) -> None:
        self.root = root
        self._progress = progress

    def directory(self, digest: str) -> Path:
        """Where the image of that digest is, or would be."""
        return self.root / digest.removeprefix("sha256:")

    def plan(self, model_directory: Path, model: str, version: str) -> str:
        """The digest that building would give, without building."""
        return self._digest(model_directory, model, version, engine_digest())

    def build(self, model_directory: Path, model: str, version: str) -> ImageManifest:
        """Build unless it exists.

        Raises:
            InputError: the lock is missing, holds lines that are not pins, or cannot be installed.
        """
        engine = engine_digest()
        digest = self._digest(model_directory, model, version, engine)
        if found := self.find(digest):
            return found
        lock = model_directory / LOCK
        lock_digest = digest_of_bytes(lock.read_bytes())
        interpreter = None
        if unsatisfied(read_pins(lock)):
            interpreter = str(make_environment(lock, self._environment(lock_digest), self._progress))
        manifest = ImageManifest(
            digest=digest,
            model=model,
            version=version,
            engine=engine,
            lock=lock_digest,
            python=PYTHON,
            interpreter=interpreter,
        )
        self._write(model_directory, manifest)
        return manifest

    def find(self, digest: str) -> ImageManifest | None:
        """The image of that digest; None if there is none, a file was changed, or its interpreter is gone."""
        directory = self.directory(digest)
        try:
            manifest = ImageManifest.read(directory / "image.json")
            files = json.loads((directory / "files.json").read_text(encoding="utf-8"))
        except (OSError, ValidationError, json.JSONDecodeError):
            return None
        whole = manifest.digest == digest and _digests(directory, _image_files(directory)) == files
        return manifest if whole and self._runs(manifest) else None

    def _runs(self, manifest: ImageManifest) -> bool:
        if manifest.interpreter is not None:
            return environment_interpreter(self._environment(manifest.lock)) is not None
        return not unsatisfied(read_pins(self.directory(manifest.digest) / "model" / LOCK))

    def _environment(self, lock_digest: str) -> Path:
        return self.root / "environments" / lock_digest.removeprefix("sha256:")

    def _digest(self, model_directory: Path, model: str, version: str, engine: str) -> str:
        read_pins(model_directory / LOCK)
        return digest_of(
            {
                "model": model,
                "version": version,
                "files": _digests(model_directory, _model_files(model_directory)),
                "lock": digest_of_bytes((model_directory / LOCK).read_bytes()),
                "engine": engine,
                "python": PYTHON,
            }
        )

    def _write(self, model_directory: Path, manifest: ImageManifest) -> None:
        """Put the image together beside, then rename: a reader sees all of it or nothing."""
        beside = self.root / f".{uuid4().hex}.partial"
        _copy(model_directory, _model_files(model_directory), beside / "model")
        package = package_directory()
        _copy(package, _engine_files(package), beside / "engine" / package.name)
        _serving(model_directory).write(beside / "serving.json")
        files = _digests(beside, _image_files(beside))
        (beside / "files.json").write_text(canonical_json(files), encoding="utf-8")
        manifest.write(beside / "image.json")
        target = self.directory(manifest.digest)
        if target.exists():  # damaged, or find() would have returned it
            target.rename(self.root / f".{uuid4().hex}.damaged")
        try:
            beside.rename(target)
        except OSError:
            if self.find(manifest.digest) is None:  # not somebody else's, made meanwhile
                raise
        for left in (*self.root.glob(".*.damaged"), beside):
            shutil.rmtree(left, ignore_errors=True)


def _serving(model_directory: Path) -> Serving:
    """The serving settings of model.yaml; `definitions` has checked the file long before an image is built."""
    try:
        authored = yaml.safe_load((model_directory / "model.yaml").read_text(encoding="utf-8"))
        return Serving.model_validate((authored or {}).get("serving") or {})
    except (OSError, yaml.YAMLError, ValidationError, AttributeError) as error:
        raise InputError(f"{model_directory / 'model.yaml'}: cannot read the serving settings: {error}") from error


def _model_files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        if path.is_file() and not any(part in LEFT_OUT or part.startswith(".") for part in parts):
            yield path


def _engine_files(package: Path) -> Iterator[Path]:
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _image_files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.name not in {"files.json", "image.json"}:
            yield path


def _digests(root: Path, files: Iterator[Path]) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): digest_of_bytes(path.read_bytes()) for path in files}


def _copy(source: Path, files: Iterator[Path], target: Path) -> None:
    for path in files:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o444)
