"""The objects of one variant: its configuration, Deployment, Service, disruption budget and autoscaler."""

from __future__ import annotations

import json

from bighead_ci.documents import labels
from bighead_ci.documents.base import digest_of
from bighead_ci.documents.definition import VersionedModel, memory_bytes
from bighead_ci.documents.image import INTERPRETER
from bighead_ci.documents.live import ContainerConfig
from bighead_ci.documents.release import Variant
from bighead_ci.documents.resources import ServingResources, Toleration
from bighead_ci.manifests.objects import PORT, Json, Placed, object_name
from bighead_ci.planning.stages import CONTAINER_ENTRY_POINT

TOLD, SCRATCH = "/etc/bighead", "/tmp"  # noqa: S108  # a volume of the container's own
CONFIG = "variant.json"
NOBODY = 65534
DRAIN_SECONDS, GRACE_SECONDS = 5, 40
"""How long a pod answers on after it is to end, until no gateway sends it anything; and until it is killed: a process
takes 10 s to answer what it has, and writes its log."""
STARTUP_PROBES, PROBE_SECONDS = 60, 2
CPU_PERCENT = 70
"""Of what a container asks for: the autoscaler adds one beyond it."""
CHECKSUM = "bighead/config"
"""Annotation of pods: a changed configuration replaces them."""


def variant_objects(placed: Placed, variant: Variant) -> list[Json]:
    """Everything that comes and goes with a variant; what its Deployment needs comes first."""
    version = placed.versions[variant.version]
    resources = version.definition.resources.serve
    found = [
        _configuration(placed, variant, version),
        _deployment(placed, variant, version),
        _service(placed, variant),
        _disruption_budget(placed, variant),
    ]
    return [*found, _autoscaler(placed, variant, resources)] if resources.most > resources.least else found


def container_config(placed: Placed, variant: Variant, version: VersionedModel) -> ContainerConfig:
    """What the container of a variant is told."""
    serving = version.definition.serving
    return ContainerConfig(
        environment=placed.release.environment,
        variant=placed.process_name(variant),
        model=placed.model,
        version=variant.version,
        image=variant.image,
        artifact=variant.artifact,
        store=placed.environment.store,
        online_store_url=placed.environment.online_store,
        log_predictions=serving.log_predictions,
        max_concurrency=serving.max_concurrency,
        max_batch_rows=serving.max_batch_rows,
        deadline_ms=serving.deadline_ms,
        memory_bytes=memory_bytes(serving.memory) if serving.memory else None,
        port=PORT,
    )


def _labels(placed: Placed, variant: Variant, version: VersionedModel) -> dict[str, str]:
    return {
        labels.VERSION: variant.version,
        labels.VARIANT: placed.process_name(variant),
        labels.OWNER: object_name(version.definition.owner.replace(" ", "-"))[:63].strip("-_."),
    }


def _configuration(placed: Placed, variant: Variant, version: VersionedModel) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": placed.metadata(placed.process_name(variant), **_labels(placed, variant, version)),
        "data": {CONFIG: _told(placed, variant, version)},
    }


def _told(placed: Placed, variant: Variant, version: VersionedModel) -> str:
    """Only what is not the default: an engine that knows more fields renders the same."""
    config = container_config(placed, variant, version).model_dump(mode="json", exclude_defaults=True)
    return json.dumps(config, indent=1, sort_keys=True) + "\n"


def _deployment(placed: Placed, variant: Variant, version: VersionedModel) -> Json:
    name, own = placed.process_name(variant), _labels(placed, variant, version)
    resources = version.definition.resources.serve
    scaled = resources.most > resources.least
    metadata = placed.metadata(name, **own)
    metadata["annotations"] = {labels.ARTIFACT: variant.artifact}
    checksum = digest_of(_told(placed, variant, version))
    template = {
        "metadata": {
            "labels": {**placed.labels, **own},
            "annotations": {labels.ARTIFACT: variant.artifact, CHECKSUM: checksum},
        },
        "spec": _pod(placed, variant, resources),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            # Of a Deployment that is scaled the number of pods is the autoscaler's.
            **({} if scaled else {"replicas": resources.least}),
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 300,
            "selector": {"matchLabels": {labels.VARIANT: name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template,
        },
    }


def _pod(placed: Placed, variant: Variant, resources: ServingResources) -> Json:
    selector = {"matchLabels": {labels.VARIANT: placed.process_name(variant)}}
    spread = {"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector}
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "fsGroup": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {"topologyKey": "kubernetes.io/hostname", **spread},
            {"topologyKey": "topology.kubernetes.io/zone", **spread},
        ],
        **({"nodeSelector": dict(sorted(resources.node_selector.items()))} if resources.node_selector else {}),
        **({"tolerations": [_toleration(one) for one in resources.tolerations]} if resources.tolerations else {}),
        "containers": [
            {
                **_container(placed, variant, resources),
                "command": [INTERPRETER, "-P", "-m", CONTAINER_ENTRY_POINT],
                "args": [f"{TOLD}/{CONFIG}"],
                "ports": [{"name": labels.HTTP_PORT, "containerPort": PORT, "protocol": "TCP"}],
                "startupProbe": _probe("/livez", failures=STARTUP_PROBES, seconds=PROBE_SECONDS),
                "readinessProbe": _probe("/readyz", failures=2, seconds=PROBE_SECONDS),
                "livenessProbe": _probe("/livez", failures=5, seconds=5),
                "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
            }
        ],
        "volumes": [
            {"name": "told", "configMap": {"name": placed.process_name(variant), "defaultMode": 0o444}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "2Gi"}},
        ],
    }


def _container(placed: Placed, variant: Variant, resources: ServingResources) -> Json:
    secret = placed.environment.secret
    memory = resources.memory.removesuffix("B")
    asked = {"cpu": resources.cpu, "memory": memory}
    gpus = {"nvidia.com/gpu": str(resources.gpus)} if resources.gpus else {}
    fixed = {
        "TMPDIR": SCRATCH,
        "PYTHONPYCACHEPREFIX": f"{SCRATCH}/bytecode",
        "NUMBA_CACHE_DIR": f"{SCRATCH}/bytecode/numba",
        "OMP_NUM_THREADS": "1",
        "LC_ALL": "C.UTF-8",
        "BENTOML_HOME": f"{SCRATCH}/bentoml",
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "1",
    }
    return {
        "name": "model",
        "image": variant.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": key, "value": value} for key, value in fixed.items()],
        **({"envFrom": [{"secretRef": {"name": secret}}]} if secret else {}),
        # Memory that is not there ends a process; processor time that is not there only slows it.
        "resources": {"requests": {**asked, **gpus}, "limits": {"memory": memory, **gpus}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "told", "mountPath": TOLD, "readOnly": True},
            {"name": "scratch", "mountPath": SCRATCH},
        ],
    }


def _toleration(toleration: Toleration) -> Json:
    return {
        "key": toleration.key,
        "operator": "Exists" if toleration.value is None else "Equal",
        **({} if toleration.value is None else {"value": toleration.value}),
        **({} if toleration.effect is None else {"effect": toleration.effect}),
    }


def _probe(path: str, *, failures: int, seconds: int) -> Json:
    return {
        "httpGet": {"path": path, "port": labels.HTTP_PORT, "scheme": "HTTP"},
        "periodSeconds": seconds,
        "timeoutSeconds": 2,
        "successThreshold": 1,
        "failureThreshold": failures,
    }


def _service(placed: Placed, variant: Variant) -> Json:
    name = placed.process_name(variant)
    version = placed.versions[variant.version]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": placed.metadata(name, **_labels(placed, variant, version)),
        "spec": {
            "type": "ClusterIP",
            "selector": {labels.VARIANT: name},
            "ports": [
                {"name": labels.HTTP_PORT, "port": PORT, "protocol": "TCP", "targetPort": labels.HTTP_PORT},
            ],
        },
    }


def _disruption_budget(placed: Placed, variant: Variant) -> Json:
    name = placed.process_name(variant)
    version = placed.versions[variant.version]
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": placed.metadata(name, **_labels(placed, variant, version)),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": {labels.VARIANT: name}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def _autoscaler(placed: Placed, variant: Variant, resources: ServingResources) -> Json:
    name = placed.process_name(variant)
    version = placed.versions[variant.version]
    target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": placed.metadata(name, **_labels(placed, variant, version)),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": resources.least,
            "maxReplicas": resources.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }
