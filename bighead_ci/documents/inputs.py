"""What determines a result: for each stage of a model version, the name of all that it reads → its digest.

The names say what kind of thing it is:

- `file:models/x/v1/model.py`: an authored file, by git's blob id; a lock by that of all that it says, shared or not
- `data:features/sources/flights.parquet`: a source's data, by its digest in dvc.lock
- `spec:parameters`: a part of the definitions, parsed, by the digest of its value
- `engine`: the engine's files that the stage imports
- `distribution:duckdb`: a library that these import, or that such a library requires, by version, where no lock says it
- `python`: the version of Python
- `stage:training-set`: what an earlier stage leaves, by that stage's key
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from bighead_ci.documents.base import Digest, Document, Name, Version, digest_of

Target = Literal["train", "serve"]
"""What an image of a model version is for."""
Image = Literal["train", "serve", "serve-code"]
"""The images that a version may get. `serve-code` serves it where nothing compiled answers and its own code has to; a
version that says in model.yaml which of both it wants has only `serve`."""
LAST_STAGE = "record"
"""The stage that reads what all others leave."""


class VersionInputs(Document):
    """The inputs of one model version's stages and images; content key, `dvc.yaml` and image keys are views of it."""

    model: Name
    version: Version
    stages: dict[str, dict[str, str]]
    """Stage → name of an input → its digest, in the order in which they run."""
    images: dict[Image, dict[str, str]]
    """Image → name of an input → its digest."""

    @property
    def id(self) -> str:
        """`flight_delay/v2`."""
        return f"{self.model}/{self.version}"

    def stage_key(self, stage: str) -> Digest:
        """Same key, same outputs."""
        return digest_of({"stage": stage, "version": self.id, "inputs": self.stages[stage]})

    def image_key(self, image: Image) -> Digest:
        """Same key, same image."""
        return digest_of({"image": image, "version": self.id, "inputs": self.images[image]})

    @cached_property
    def content_key(self) -> Digest:
        """Same key, same record: of all stages and images."""
        stages = {stage: self.stage_key(stage) for stage in self.stages}
        images = {image: self.image_key(image) for image in self.images}
        return digest_of({"stages": stages, "images": images})


def changed_inputs(before: VersionInputs, after: VersionInputs) -> dict[str, tuple[str | None, str | None]]:
    """Name of an input of any stage or image → (digest before, digest after), where they differ.

    What is not the same thing for all that have it (the engine, parts of the definitions) is named with its reader:
    `engine of train`, `spec:request of training-set`. Keys of earlier stages are left out: they follow from the rest.
    """
    old, new = _flat(before), _flat(after)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return {name: (old.get(name), new.get(name)) for name in names}


def _flat(inputs: VersionInputs) -> dict[str, str]:
    found = {}
    for of, named in (*inputs.stages.items(), *inputs.images.items()):
        for name, digest in named.items():
            if not name.startswith("stage:"):
                found[f"{name} of {of}" if name == "engine" or name.startswith("spec:") else name] = digest
    return found
