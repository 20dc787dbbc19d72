"""Which share of a model's requests each variant gets, as an HTTPRoute of the Gateway API.

Every default of the API is written out: a controller that compares git with what is there finds no difference.
"""

from __future__ import annotations

from bighead_ci.documents.live import OTHERWISE
from bighead_ci.manifests.objects import PORT, Json, Placed, object_name

TIMEOUT = "15s"
ARGO_CD_WAVE = "argocd.argoproj.io/sync-wave"
"""Argo CD applies what has a later wave once what came before is healthy."""


def route(placed: Placed) -> Json:
    """`/<model>/…` of the environment's host to the model's variants by weight."""
    gateway = placed.environment.gateway
    metadata = placed.metadata(object_name(placed.model))
    if placed.environment.applied_by == "argo-cd":
        metadata["annotations"] = {ARGO_CD_WAVE: "1"}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata,
        "spec": {
            "parentRefs": [
                {
                    "group": "gateway.networking.k8s.io",
                    "kind": "Gateway",
                    "name": gateway.name,
                    "namespace": gateway.namespace,
                }
            ],
            "hostnames": [gateway.host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": f"/{placed.model}"}}],
                    "filters": [
                        # Only a router may say who answers otherwise.
                        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": [OTHERWISE]}},
                        {
                            "type": "URLRewrite",
                            "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                        },
                    ],
                    "backendRefs": [
                        {
                            "group": "",
                            "kind": "Service",
                            "name": placed.process_name(variant),
                            "port": PORT,
                            "weight": variant.weight,
                        }
                        for variant in placed.release.release.variants
                    ],
                    "timeouts": {"request": TIMEOUT},
                }
            ],
        },
    }
