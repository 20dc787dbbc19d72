"""The one list of stages: where each runs, what it needs of earlier ones, what it leaves.

`dvc.yaml` of a version is a view of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from bighead_ci.documents.inputs import LAST_STAGE

Environment = Literal["engine", "training", "serving"]
"""Whose Python environment a stage runs in: the engine's own, or one made from a lock of the version."""
LOCK_OF: dict[Environment, str] = {"training": "training.lock", "serving": "serving.lock"}
ENTRY_POINTS = "bighead_ci.entry_points.stages"
"""Package with a module a stage."""
SERVING_ENTRY_POINT = "bighead_ci.entry_points.serving"
"""What runs in the process of a variant."""
CODE_SERVING_ENTRY_POINT = "bighead_ci.entry_points.code_serving"
"""The same where the version's own code answers."""

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

    @property
    def module(self) -> str:
        """Where it starts: all that this module imports can change what the stage leaves."""
        return f"{ENTRY_POINTS}.{self.starts or self.name.replace('-', '_')}"

    @property
    def confinement(self) -> str:
        """The file that says in which sandbox the stage ran; whoever started it writes it."""
        return f"sandbox/{self.name}.json"

    @property
    def order(self) -> str:
        """The file with what the stage is told."""
        return f"inputs/{self.name}.json"


STAGES = (
    Stage("training-set", "engine", (), (TRAINING_SET, TRAINING_SUMMARY, DATA)),
    Stage("quality", "engine", (TRAINING_SET,), (QUALITY, PROFILE)),
    Stage("train", "training", (TRAINING_SET,), (ARTIFACT, CONVERSION), reads_code=True),
    # Scored where callers' requests will be, so that the figures are of what callers get.
    Stage("evaluate", "serving", (TRAINING_SET, ARTIFACT, CONVERSION), (EVALUATION, PREDICTIONS)),
    Stage("package", "serving", (TRAINING_SET, ARTIFACT), (PACKAGE,)),
    Stage(
        LAST_STAGE,
        "engine",
        (TRAINING_SET, TRAINING_SUMMARY, DATA, QUALITY, PROFILE, EVALUATION, PREDICTIONS, PACKAGE),
        (RECORD, SAMPLE),
    ),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)
INPUTS_STAGE = "inputs"
"""What comes before them all: writes each stage's order from the definitions."""


def stages_of(kind: str | None) -> tuple[Stage, ...]:
    """The stages of a version that declares a kind of artifact: where its own code answers, scoring runs that code."""
    if kind != "python":
        return STAGES
    return tuple(
        replace(stage, reads_code=True, starts=f"code_{stage.name}")
        if ARTIFACT in (*stage.needs, *stage.leaves)
        else stage
        for stage in STAGES
    )


def serving_entry_point(kind: str | None) -> str:
    """What runs in the process of a variant of a version that declares a kind of artifact."""
    return CODE_SERVING_ENTRY_POINT if kind == "python" else SERVING_ENTRY_POINT


def stage_called(name: str, kind: str | None = None) -> Stage:
    """The stage of that name, of a version that declares a kind of artifact."""
    return next(stage for stage in stages_of(kind) if stage.name == name)


def earlier(stage: Stage) -> list[str]:
    """Names of the stages whose files a stage reads, in their order."""
    return [one.name for one in STAGES if set(one.leaves) & set(stage.needs)]
