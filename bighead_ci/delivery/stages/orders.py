"""What comes before the stages: what each is told, written where it looks for it."""

from __future__ import annotations

from bighead_ci.delivery.stages.place import StagePlace
from bighead_ci.documents.base import canonical_json, short, write_atomically
from bighead_ci.documents.stage import SourceData, TrainingSetSpec
from bighead_ci.planning.inputs import Inputs
from bighead_ci.planning.stages import STAGES
from bighead_ci.ports.progress import Progress


def leave_orders(place: StagePlace, inputs: Inputs, progress: Progress) -> list[SourceData]:
    """Leave `inputs/<stage>.json` for every stage; return the data that they will read.

    Raises:
        InputError: a definition of the version, or one that it names, has problems.
    """
    _, name, version = place.directory.split("/")
    model = inputs.definitions.model(name, version)
    orders = inputs.orders(model)
    for stage in STAGES:
        write_atomically(place.out / stage.order, canonical_json(orders[stage.name]).encode() + b"\n")
    progress(f"content key {short(inputs.of(model).content_key)}")
    spec = TrainingSetSpec.model_validate_json(canonical_json(orders["training-set"]["spec"]))
    return list(spec.data.values())
