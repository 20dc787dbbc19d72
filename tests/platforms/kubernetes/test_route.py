"""Which weights are in force: what the Gateway has taken over of an HTTPRoute."""

from __future__ import annotations

from typing import Any

import pytest

from bighead_ci.documents.environment import Gateway
from bighead_ci.platforms.kubernetes.route import farewell, introduction, refusal, weights

GATEWAY = Gateway(name="main", namespace="gateways", host="models.test")


def route(*rules: dict[str, int], **conditions: tuple[str, int]) -> dict[str, Any]:
    """With a rule for each of the weights; conditions: (status, generation that it is about) by type."""
    return {
        "metadata": {"name": "tiny", "namespace": "prod", "generation": 3},
        "spec": {"rules": [{"backendRefs": [{"name": n, "weight": w} for n, w in rule.items()]} for rule in rules]},
        "status": {
            "parents": [
                {
                    "parentRef": {"name": "main", "namespace": "gateways"},
                    "conditions": [
                        {"type": kind, "status": status, "observedGeneration": about, "reason": "R", "message": "M"}
                        for kind, (status, about) in conditions.items()
                    ],
                }
            ]
        },
    }


def test_weights_are_of_the_backends_that_have_any() -> None:
    """One that has none written has Kubernetes' default."""
    assert weights(route({"a": 90, "b": 10, "c": 0})) == {"a": 90, "b": 10}
    assert weights({"spec": {"rules": [{"backendRefs": [{"name": "a"}]}]}}) == {"a": 1}


def test_rules_that_disagree_have_no_weights() -> None:
    """Somebody wrote one by hand: nothing can be said to be in force."""
    assert weights(route({"a": 100}, {"b": 100})) == {}


def test_a_route_is_in_force_once_the_gateway_has_seen_this_version_of_it() -> None:
    """Both conditions, of this generation."""
    assert refusal(route({"a": 1}, Accepted=("True", 3), ResolvedRefs=("True", 3)), GATEWAY) is None
    old = refusal(route({"a": 1}, Accepted=("True", 3), ResolvedRefs=("True", 2)), GATEWAY)
    assert old is not None
    assert "newest version" in old


@pytest.mark.parametrize("kind", ["Accepted", "ResolvedRefs"])
def test_what_the_gateway_does_not_take_is_said_in_its_words(kind: str) -> None:
    """Reason and message."""
    conditions = {"Accepted": ("True", 3), "ResolvedRefs": ("True", 3), kind: ("False", 3)}
    assert refusal(route({"a": 1}, **conditions), GATEWAY) == "gateway gateways/main: R: M"


def test_what_another_gateway_says_does_not_count() -> None:
    """A route may hang on several."""
    other = Gateway(name="main", namespace="elsewhere", host="models.test")
    found = refusal(route({"a": 1}, Accepted=("True", 3), ResolvedRefs=("True", 3)), other)
    assert found is not None
    assert "elsewhere/main has not looked" in found


def test_services_that_the_gateway_does_not_know_are_introduced_at_no_weight() -> None:
    """What serves keeps its weights until then; what it knows already is not introduced again."""
    first = introduction(route({"a": 100}), route({"a": 0, "b": 50, "c": 50}))
    assert first is not None
    assert [(r["name"], r["weight"]) for r in first["spec"]["rules"][0]["backendRefs"]] == [
        ("a", 100),
        ("b", 0),
        ("c", 0),
    ]
    assert introduction(first, route({"a": 0, "b": 50, "c": 50})) is None
    assert introduction(route({"a": 100}), route({"a": 100, "b": 0})) is None


def test_services_that_lose_their_traffic_are_named_a_while_longer() -> None:
    """At no weight: forgotten at once, requests on their way to them find nothing."""
    last = farewell(route({"a": 90, "b": 10}), route({"a": 100}))
    assert last is not None
    assert {ref["name"]: ref["weight"] for ref in last["spec"]["rules"][0]["backendRefs"]} == {"a": 100, "b": 0}
    assert weights(last) == {"a": 100}
    assert farewell(last, route({"a": 100})) is None
