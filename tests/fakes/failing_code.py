"""A version whose code does what a row asks for: it leaks, spins, or answers."""

from __future__ import annotations

from pathlib import Path

from bighead_ci.delivery.stages.keeping import kept
from bighead_ci.delivery.stages.train import train
from bighead_ci.delivery.stages.training_set import make_training_set
from bighead_ci.ports.progress import silent
from fakes.offline_store import MemoryOfflineStore
from fakes.stage_checkout import CODE, DIRECTORY, MODEL, placed, write_checkout

LEAK, SPIN, FINE = 100, 200, 3
"""Values of `hour`."""
LEAKED_MIB = 1
"""By each row that leaks."""
FAILING = (
    CODE.replace("return Pipeline(", "return Failing(")
    + f'''

HOARD = []


class Failing(Pipeline):
    """Does what no model should."""

    def predict_proba(self, X):
        if {LEAK} in X["hour"].tolist():
            HOARD.append(bytearray(b"x") * ({LEAKED_MIB} << 20))
        while {SPIN} in X["hour"].tolist():
            pass
        return super().predict_proba(X)
'''
)


def failing_version(directory: Path) -> tuple[Path, Path]:
    """A trained version of it: its artifact, and its code."""
    features = "features:\n  - {set: delays/v1, columns: [delay_mean_1h]}\n"
    model = MODEL.replace(features, "") + "serving: {kind: python, trusted_types: [model.Failing]}\n"
    checkout = write_checkout(directory, FAILING, model)
    (checkout / DIRECTORY / "golden_rows.json").write_text('[{"carrier": "AA", "hour": 3}]')
    place = placed(checkout)
    make_training_set(place, MemoryOfflineStore(), silent)
    train(place, kept, silent)
    return place.out / "artifact", place.path
