"""What a model's scores rest on: the importance of its inputs, from the record of a version on main."""

from __future__ import annotations

from bighead_ci.delivery.build import record_of
from bighead_ci.delivery.context import Context
from bighead_ci.documents.base import Digest, Document
from bighead_ci.documents.explanation import Attributed
from bighead_ci.errors import InputError

MODELS = "models/"


class Importance(Document):
    """How much the scores of one trained model rest on each of its inputs."""

    model: str
    """`flight_delay/v2`."""
    run_id: str
    artifact: Digest
    inputs: dict[str, float]
    """Input → its share (0 to 1) of how far scores move when its values are exchanged between rows; greatest first."""
    attributed: Attributed | None = None
    """Exact, by the Shapley values of evaluation rows; None where the kind of artifact has none."""


def importance_of(context: Context, version: str) -> Importance:
    """The importance of the inputs of a model version: `models/flight_delay/v2` or `flight_delay/v2`.

    Raises:
        InputError: not a version, none on main, no record of it yet, or one from before importance was measured.
    """
    name = version.removeprefix(MODELS).strip("/")
    if name.count("/") != 1:
        raise InputError(f"{version!r} is no model version; write models/flight_delay/v2, or flight_delay/v2")
    record = record_of(context, context.main().tree, *name.split("/"))
    if record is None:
        raise InputError(f"no record yet of {name}: main's runner makes it after a merge (bighead runner)")
    found = record.evaluation.importance
    if not found:
        raise InputError(f"the record of {name} ({record.run_id}) is of an engine that measured no importance")
    ranked = dict(sorted(found.items(), key=lambda item: -item[1]))
    return Importance(
        model=name,
        run_id=record.run_id,
        artifact=record.artifact,
        inputs=ranked,
        attributed=record.evaluation.attributed,
    )
