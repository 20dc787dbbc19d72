"""Desired against live."""

from __future__ import annotations

from bighead_ci.delivery.status import differences
from bighead_ci.documents.live import DesiredModel, DesiredVariant, LiveModel, LiveVariant

DIGEST = "sha256:" + "1" * 64


def desired(**weights: int) -> DesiredModel:
    variants = [
        DesiredVariant(
            name=name, model="m", version="v1", run="r", image=f"local/m@{DIGEST}", artifact=DIGEST, weight=weight
        )
        for name, weight in weights.items()
    ]
    return DesiredModel(environment="prod", model="m", commit="a" * 40, variants=variants)


def live(**variants: tuple[int, str]) -> LiveModel:
    found = [
        LiveVariant.model_validate(
            {
                "name": n,
                "version": "v1",
                "image": f"local/m@{DIGEST}",
                "artifact": DIGEST,
                "state": s,
                "weight": w,
                "pid": 1,
                "port": 2,
            }
        )
        for n, (w, s) in variants.items()
    ]
    return LiveModel(environment="prod", model="m", url="http://x", variants=found)


def test_nothing_differs_when_names_weights_and_readiness_agree() -> None:
    """Equal is empty."""
    assert differences(desired(a=90, b=10), live(a=(90, "ready"), b=(10, "ready"))) == []


def test_every_kind_of_difference_is_named() -> None:
    """Missing, surplus, unready and wrong weight all show at once."""
    found = differences(desired(a=90, b=10), live(b=(50, "dead"), c=(50, "ready")))
    assert found == [
        "a should run and does not",
        "c runs and should not",
        "b is dead",
        "b gets 50 % and should get 10 %",
    ]


def test_a_model_that_no_commit_names_is_a_difference() -> None:
    """What runs without a release is shown."""
    assert differences(None, live(a=(100, "ready"))) == ["a runs and should not"]
