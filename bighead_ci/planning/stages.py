"""The one list of stages: where each runs, what it needs of earlier ones, what it leaves.

`dvc.yaml` of a version is a view of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bighead_ci.documents.artifact import Kind
from bighead_ci.documents.definition import DeclaredKind
from bighead_ci.documents.inputs import LAST_STAGE, Image

Environment = Literal["engine", "training", "serving"]
"""Whose Python environment a stage runs in: the engine's own, or one made from a lock of the version."""
LOCK_OF: dict[Environment, str] = {"training": "training.lock", "serving": "serving.lock"}
ENTRY_POINTS = "bighead_ci.entry_points.stages"
"""Package with a module a stage."""
SERVING_ENTRY_POINT = "bighead_ci.entry_points.serving"
"""What runs in the process of a variant."""
CONTAINER_ENTRY_POINT = "bighead_ci.entry_points.container"
"""What runs in a container of a variant, wherever one is: brings what the process needs, and becomes it."""
CODE_SERVING_ENTRY_POINT = "bighead_ci.entry_points.code_serving"
"""The same where the version's own code answers."""
CODE_SCORER_ENTRY_POINT = "bighead_ci.entry_points.code_scorer"
"""The process that runs that code, started by the variant's."""

CONTAINER_SERVING_ENTRY_POINT = "bighead_ci.entry_points.container_serving"
"""What that becomes, whoever answers in it."""

TRAINING_SET = "training_set.parquet"
TRAINING_SUMMARY = "training_set.json"
DATA = "data.json"
QUALITY = "quality.json"
PROFILE = "profile.json"
ARTIFACT = "artifact"
CONVERSION = "conversion.json"
EVALUATION = "evaluation.json"
PREDICTIONS = "predictions.parquet"
PACKAGE = "package.json"
RECORD = "record.json"
SAMPLE = "training_sample.parquet"


@dataclass(frozen=True)
class Stage:
    """One stage. Files are relative to `out/` of the version's directory."""

    name: str
    environment: Environment
    needs: tuple[str, ...]
    """What earlier stages leave and this one reads."""
    leaves: tuple[str, ...]
    reads_code: bool = False
    """It runs what the version's authors wrote."""
    starts: str = ""
    """Module of `ENTRY_POINTS` where its name is not it."""
    fallen: Stage | None = None
    """The same stage as it runs where the artifact turned out to be of kind `python` although nobody asked for that."""

    @property
    def ways(self) -> tuple[Stage, ...]:
        """How it may run: which one, the artifact tells. Its key has what any of them reads."""
        return (self, self.fallen) if self.fallen else (self,)

    def run_as(self, made: Kind | None) -> Stage:
        """How it runs where training made an artifact of this kind; None: there is none yet."""
        return self.fallen if self.fallen and made == "python" else self

    @property
    def module(self) -> str:
        """Where it starts: all that this module imports can change what the stage leaves."""
        return f"{ENTRY_POINTS}.{self.starts or self.name.replace('-', '_')}"

    @property
    def modules(self) -> frozenset[str]:
        """All that it starts."""
        return frozenset({self.module})

    @property
    def confinement(self) -> str:
        """The file that says in which sandbox the stage ran; whoever started it writes it."""
        return f"sandbox/{self.name}.json"

    @property
    def order(self) -> str:
        """The file with what the stage is told."""
        return f"inputs/{self.name}.json"


_SCORING, _LOADING = (TRAINING_SET, ARTIFACT, CONVERSION), (TRAINING_SET, ARTIFACT)
_TRAINED, _EVALUATED = (ARTIFACT, CONVERSION), (EVALUATION, PREDICTIONS)
# Scored where callers' requests will be, so that the figures are of what callers get. Where code answers and nobody
# asked for that, what it imports is in the training lock alone.
_BY_KIND: dict[DeclaredKind | None, tuple[Stage, ...]] = {
    None: (
        Stage("train", "training", (TRAINING_SET,), _TRAINED, reads_code=True),
        Stage(
            "evaluate",
            "serving",
            _SCORING,
            _EVALUATED,
            fallen=Stage("evaluate", "training", _SCORING, _EVALUATED, reads_code=True, starts="code_evaluate"),
        ),
        Stage(
            "package",
            "serving",
            _LOADING,
            (PACKAGE,),
            fallen=Stage("package", "training", _LOADING, (PACKAGE,), reads_code=True, starts="code_package"),
        ),
    ),
    "compiled": (
        Stage("train", "training", (TRAINING_SET,), _TRAINED, reads_code=True, starts="compiled_train"),
        Stage("evaluate", "serving", _SCORING, _EVALUATED),
        Stage("package", "serving", _LOADING, (PACKAGE,)),
    ),
    "python": (
        Stage("train", "training", (TRAINING_SET,), _TRAINED, reads_code=True, starts="code_train"),
        Stage("evaluate", "serving", _SCORING, _EVALUATED, reads_code=True, starts="code_evaluate"),
        Stage("package", "serving", _LOADING, (PACKAGE,), reads_code=True, starts="code_package"),
    ),
}
"""`serving.kind` of model.yaml → the stages that it decides about."""


def stages_of(declared: DeclaredKind | None) -> tuple[Stage, ...]:
    """The stages of a version by the kind of artifact that its model.yaml asks for."""
    return (
        Stage("training-set", "engine", (), (TRAINING_SET, TRAINING_SUMMARY, DATA)),
        Stage("quality", "engine", (TRAINING_SET,), (QUALITY, PROFILE)),
        *_BY_KIND[declared],
        Stage(
            LAST_STAGE,
            "engine",
            (TRAINING_SET, TRAINING_SUMMARY, DATA, QUALITY, PROFILE, EVALUATION, PREDICTIONS, PACKAGE),
            (RECORD, SAMPLE),
        ),
    )


STAGES = stages_of(None)
STAGE_NAMES = tuple(stage.name for stage in STAGES)
INPUTS_STAGE = "inputs"
"""What comes before them all: writes each stage's order from the definitions."""


@dataclass(frozen=True)
class Server:
    """The process of a variant."""

    module: str
    """What runs in it."""
    environment: Environment
    """Whose lock says what is installed there."""
    reads_code: bool
    """The version's own code answers."""

    @property
    def modules(self) -> frozenset[str]:
        """What runs in it and in processes that it starts, on this machine and in a container."""
        code = [CODE_SCORER_ENTRY_POINT] if self.reads_code else []
        return frozenset({self.module, CONTAINER_ENTRY_POINT, CONTAINER_SERVING_ENTRY_POINT, *code})


_COMPILED_SERVER = Server(SERVING_ENTRY_POINT, "serving", reads_code=False)
_SERVERS: dict[DeclaredKind | None, dict[Image, Server]] = {
    None: {"serve": _COMPILED_SERVER, "serve-code": Server(CODE_SERVING_ENTRY_POINT, "training", reads_code=True)},
    "compiled": {"serve": _COMPILED_SERVER},
    "python": {"serve": Server(CODE_SERVING_ENTRY_POINT, "serving", reads_code=True)},
}


def servers_of(declared: DeclaredKind | None) -> dict[Image, Server]:
    """Image that may serve a version, by the kind of artifact that its model.yaml asks for → what runs in it."""
    return _SERVERS[declared]


def serving_image(declared: DeclaredKind | None, made: Kind | None) -> Image:
    """The image that serves an artifact of this kind of a version that asks for that one.

    `made` is None in records from before there were kinds; all of these were compiled.
    """
    return "serve-code" if declared is None and made == "python" else "serve"


def stage_called(name: str, declared: DeclaredKind | None = None) -> Stage:
    """The stage of that name, of a version that asks for a kind of artifact."""
    return next(stage for stage in stages_of(declared) if stage.name == name)


def earlier(stage: Stage) -> list[str]:
    """Names of the stages whose files a stage reads, in their order."""
    return [one.name for one in STAGES if set(one.leaves) & set(stage.needs)]
