"""Files of a release as a renderer writes them, by hand and small: for tests of who applies and watches them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bighead_ci.documents import labels
from bighead_ci.documents.environment import KubernetesEnvironment
from bighead_ci.documents.live import DesiredVariant

SERVER = Path(__file__).with_name("pod_server.py")
PORT = 8000


def rendered(
    environment: str,
    definition: KubernetesEnvironment,
    model: str,
    variants: Sequence[DesiredVariant],
    settings: dict[str, dict[str, str]] | None = None,
) -> dict[str, bytes]:
    """A file a variant, and one with the route; `settings`: variant → what its pod is told more."""
    of = _Release(environment, definition, model)
    files = {f"{v.name}.yaml": of.variant(v, (settings or {}).get(v.name, {})) for v in variants}
    files["server.yaml"] = [of.server()]
    if any(variant.weight for variant in variants):
        files["route.yaml"] = [of.route(variants)]
    return {name: yaml.safe_dump_all(objects).encode() for name, objects in files.items()}


class _Release:
    def __init__(self, environment: str, definition: KubernetesEnvironment, model: str) -> None:
        self.definition = definition
        self.model = model
        self.name = model.replace("_", "-")
        self.labels = {
            labels.MANAGED_BY: labels.BIGHEAD,
            labels.ENVIRONMENT: environment,
            labels.MODEL: model,
        }

    def meta(self, name: str, **more: str) -> dict[str, Any]:
        return {"name": name, "namespace": self.definition.namespace, "labels": {**self.labels, **more}}

    def server(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.meta(f"{self.name}-server"),
            "data": {"server.py": SERVER.read_text()},
        }

    def variant(self, variant: DesiredVariant, told: dict[str, str]) -> list[dict[str, Any]]:
        own = {labels.VARIANT: variant.name, labels.VERSION: variant.version}
        told = {
            "MODEL": self.model,
            "VERSION": variant.version,
            "VARIANT": variant.name,
            "ARTIFACT": variant.artifact,
            **told,
        }
        container = {
            "name": "model",
            "image": told.pop("IMAGE", variant.image),
            "command": ["python3", "/app/server.py"],
            "env": [{"name": name, "value": value} for name, value in told.items()],
            "ports": [{"name": labels.HTTP_PORT, "containerPort": PORT}],
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": labels.HTTP_PORT}, "periodSeconds": 1},
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
            "volumeMounts": [{"name": "app", "mountPath": "/app"}],
        }
        pod = {
            "metadata": {"labels": {**self.labels, **own}},
            "spec": {
                "automountServiceAccountToken": False,
                "containers": [container],
                "securityContext": {"runAsNonRoot": True, "runAsUser": 65534},
                "terminationGracePeriodSeconds": 10,
                "volumes": [{"name": "app", "configMap": {"name": f"{self.name}-server"}}],
            },
        }
        metadata = {**self.meta(variant.name, **own), "annotations": {labels.ARTIFACT: variant.artifact}}
        selector = {labels.VARIANT: variant.name}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 1, "selector": {"matchLabels": selector}, "template": pod},
        }
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.meta(variant.name, **own),
            "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": labels.HTTP_PORT}]},
        }
        return [deployment, service]

    def route(self, variants: Sequence[DesiredVariant]) -> dict[str, Any]:
        gateway = self.definition.gateway
        rule = {
            "matches": [{"path": {"type": "PathPrefix", "value": f"/{self.model}"}}],
            "filters": [
                {
                    "type": "URLRewrite",
                    "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                }
            ],
            "backendRefs": [
                {"group": "", "kind": "Service", "name": v.name, "port": 80, "weight": v.weight} for v in variants
            ],
        }
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": self.meta(self.name),
            "spec": {
                "hostnames": [gateway.host],
                "parentRefs": [
                    {
                        "group": "gateway.networking.k8s.io",
                        "kind": "Gateway",
                        "name": gateway.name,
                        "namespace": gateway.namespace,
                    }
                ],
                "rules": [rule],
            },
        }
