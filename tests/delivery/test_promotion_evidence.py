"""What a promotion's gates read of the environment before: for how long, with how many requests."""

from __future__ import annotations

import pytest

from bighead_ci.delivery.promote import promote
from bighead_ci.documents.verdict import RuleInput, RuleResult
from fakes.context import FakeContext
from fakes.shipping import merge_version, promote_and_merge, traffic

SOAKED = """
owner: serving
description: It served for an hour and a hundred requests where it was before
on: [promotion]
rules:
  - expression: promotion.from.requests >= 100
    message: too few requests in the environment before
  - expression: promotion.from.seconds >= 3600.0
    message: too short in the environment before
"""


@pytest.fixture
def staged(context: FakeContext) -> FakeContext:
    """v2 serves in staging, and a gate asks how it did there."""
    context.change_main({"policies/soaked.yaml": SOAKED}, "soak in staging")
    merge_version(context, "v2")
    promote_and_merge(context, "staging", "v2")
    return context


def rules(context: FakeContext, version: str = "v2") -> list[RuleResult]:
    promotion = promote(context.acting("ada"), "late", "prod", version)
    assert promotion is not None
    (gate,) = [gate for gate in promotion.report.verdict.gates if gate.gate == "soaked"]
    return gate.rules


def test_requests_and_time_in_the_environment_before_count(staged: FakeContext) -> None:
    """Both are of what serves there now, measured and read from git when the promotion is judged."""
    traffic(staged, 99, environment="staging")
    assert [rule.passed for rule in rules(staged)] == [False, False]
    traffic(staged, 1, environment="staging")
    staged.clock.forward(3600)
    assert [rule.passed for rule in rules(staged)] == [True, True]


def test_failed_requests_do_not_count(staged: FakeContext) -> None:
    """A version that only fails has proved nothing."""
    traffic(staged, 120, errors=30, environment="staging")
    assert rules(staged)[0].inputs == [RuleInput(path=("promotion", "from", "requests"), value="90")]


def test_what_another_version_did_there_does_not_count(staged: FakeContext) -> None:
    """v3 never served in staging: that v2 did for days says nothing of it."""
    merge_version(staged, "v3", skill=1.2)
    traffic(staged, 1000, environment="staging")
    staged.clock.forward(86400)
    assert [rule.reason for rule in rules(staged, "v3")] == [
        "missing evidence: promotion.from.requests",
        "missing evidence: promotion.from.seconds",
    ]


def test_requests_that_nobody_can_count_are_missing(staged: FakeContext) -> None:
    """Without an answer of the platform the rule fails; it does not stop the promotion from being opened."""
    staged.telemetries["staging"].reachable = False
    assert rules(staged)[0].reason == "missing evidence: promotion.from.requests"
