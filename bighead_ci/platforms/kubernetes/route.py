"""The weights that an HTTPRoute says, and whether the Gateway has taken them over. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bighead_ci.documents.environment import Gateway
from bighead_ci.platforms.kubernetes.api import Json

NEEDED = ("Accepted", "ResolvedRefs")
"""Conditions that the Gateway's controller sets of a route that it serves."""


def weights(route: Json) -> dict[str, int]:
    """Service of a variant → its share of every request, of those that have any.

    A service has the name of its variant. Rules that differ in their weights say nothing that can be compared: all of
    a rendered route have the same.
    """
    shares = [_shares(rule) for rule in route["spec"].get("rules", [])]
    return shares[0] if shares and all(one == shares[0] for one in shares) else {}


def _shares(rule: Json) -> dict[str, int]:
    return {ref["name"]: ref.get("weight", 1) for ref in rule.get("backendRefs", []) if ref.get("weight", 1)}


def introduction(live: Json, said: Json) -> Json | None:
    """The route as it is, which also names the services that get traffic next, at no weight; None: it names them all.

    A proxy that is told of a service and to send it requests at once may be told the second first, and answer 503.
    """
    refs = live["spec"]["rules"][0].get("backendRefs", []) if live["spec"].get("rules") else []
    known = {ref["name"] for ref in refs}
    rules = said["spec"]["rules"]
    new = [ref for ref in rules[0].get("backendRefs", []) if ref["name"] not in known and ref.get("weight", 1)]
    if not new:
        return None
    both = [*refs, *({**ref, "weight": 0} for ref in new)]
    return {**said, "spec": {**said["spec"], "rules": [{**rule, "backendRefs": both} for rule in rules]}}


def farewell(live: Json, said: Json) -> Json | None:
    """The route as it shall be, which also names the services that lose all their traffic; None: it names them all.

    A proxy that is told to send a service nothing and to forget it may hear the second first, and answer 503 (NC).
    """
    rules = said["spec"]["rules"]
    refs = rules[0].get("backendRefs", [])
    named = {ref["name"] for ref in refs}
    old = live["spec"]["rules"][0].get("backendRefs", []) if live["spec"].get("rules") else []
    leaving = [{**ref, "weight": 0} for ref in old if ref["name"] not in named and ref.get("weight", 1)]
    if not leaving:
        return None
    rules = [{**rule, "backendRefs": [*refs, *leaving]} for rule in rules]
    return {**said, "spec": {**said["spec"], "rules": rules}}


def refusal(route: Json, gateway: Gateway) -> str | None:
    """Why the Gateway does not serve the route as it is written now; None: it does.

    `observedGeneration` tells apart what it said of an older one.
    """
    parents = [p for p in route.get("status", {}).get("parents", []) if _is_of(p.get("parentRef", {}), route, gateway)]
    if not parents:
        return f"gateway {gateway.namespace}/{gateway.name} has not looked at it yet"
    conditions = {one["type"]: one for one in parents[0].get("conditions", [])}
    for name in NEEDED:
        found = conditions.get(name)
        if found is None or found.get("observedGeneration") != route["metadata"].get("generation"):
            return f"gateway {gateway.namespace}/{gateway.name} has not looked at its newest version yet"
        if found["status"] != "True":
            return f"gateway {gateway.namespace}/{gateway.name}: {found.get('reason')}: {found.get('message')}"
    return None


def _is_of(parent: Mapping[str, str], route: Json, gateway: Gateway) -> bool:
    namespace = parent.get("namespace", route["metadata"].get("namespace"))
    return (parent.get("name"), namespace) == (gateway.name, gateway.namespace)
