"""What an environment has beside its releases: its namespace, what its admission allows, and who applies its files."""

from __future__ import annotations

from bighead_ci.documents import labels
from bighead_ci.documents.environment import KubernetesEnvironment
from bighead_ci.manifests.objects import Json, object_name, written

FILE = "environment.yaml"
"""In `environments/<env>/rendered/`; a platform engineer applies it once, and the controller from then on."""
FLUX_NAMESPACE, ARGO_CD_NAMESPACE = "flux-system", "argocd"
SOURCE = "bighead"
"""Flux's GitRepository of this repository."""
ADMISSION = "admissionregistration.k8s.io/v1"
_BY_DIGEST = r"matches('@sha256:[0-9a-f]{64}$')"


def environment_file(name: str, definition: KubernetesEnvironment) -> bytes:
    """The file of an environment's own objects."""
    policy = _admission_policy(name, definition)
    own = {labels.MANAGED_BY: labels.BIGHEAD, labels.ENVIRONMENT: name}
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": definition.namespace,
            "labels": {**own, "pod-security.kubernetes.io/enforce": "restricted"},
            "annotations": {  # whatever main forgets, models do not vanish with it
                "kustomize.toolkit.fluxcd.io/prune": "disabled",
                "argocd.argoproj.io/sync-options": "Prune=false",
            },
        },
    }
    return written([namespace, policy, _binding(policy, definition), *_controllers(name, definition, own)])


def _controllers(name: str, definition: KubernetesEnvironment, own: dict[str, str]) -> list[Json]:
    if definition.applied_by == "flux":
        return [_kustomization(name, own)]
    return [_application_set(name, definition, own)] if definition.applied_by == "argo-cd" else []


def _kustomization(name: str, own: dict[str, str]) -> Json:
    """Flux applies all of an environment, and then takes away what main does not name any more."""
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": f"bighead-{object_name(name)}", "namespace": FLUX_NAMESPACE, "labels": own},
        "spec": {
            "interval": "1m",
            "retryInterval": "10s",
            "timeout": "2m",
            "path": f"./environments/{name}/rendered",
            "prune": True,
            "wait": False,
            "sourceRef": {"kind": "GitRepository", "name": SOURCE, "namespace": FLUX_NAMESPACE},
        },
    }


def _application_set(name: str, definition: KubernetesEnvironment, own: dict[str, str]) -> Json:
    """Argo CD has an application a model."""
    path = f"environments/{name}/rendered"
    repository = definition.repository
    template = {
        "metadata": {"name": f"bighead-{object_name(name)}-{{{{.path.basenameNormalized}}}}", "labels": own},
        "spec": {
            "project": "default",
            "source": {"repoURL": repository, "targetRevision": "main", "path": "{{.path.path}}"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": definition.namespace},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["ServerSideApply=true", "PruneLast=true"],
            },
        },
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": f"bighead-{object_name(name)}", "namespace": ARGO_CD_NAMESPACE, "labels": own},
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [
                {"git": {"repoURL": repository, "revision": "main", "directories": [{"path": f"{path}/*"}]}},
            ],
            "template": template,
        },
    }


def _admission_policy(name: str, definition: KubernetesEnvironment) -> Json:
    """Rules that need no evidence, for whoever makes a Deployment or a pod there: those that hold of all we render."""
    pods = "(has(object.spec.template) ? object.spec.template.spec : object.spec)"
    containers = f"({pods}.containers + ({pods}.?initContainers.orValue([])))"
    privileged = "c.?securityContext.?privileged.orValue(false)"
    return {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {
            "name": f"bighead-{object_name(name)}",
            "labels": {labels.MANAGED_BY: labels.BIGHEAD, labels.ENVIRONMENT: name},
        },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": definition.namespace}},
                "objectSelector": {},
                "resourceRules": [
                    _rule("apps", ["deployments"]),
                    _rule("", ["pods"]),
                ],
            },
            "validations": [
                {
                    "expression": f"{containers}.all(c, c.image.{_BY_DIGEST})",
                    "message": "every image is named by its digest (name@sha256:…), never by a tag",
                    "reason": "Invalid",
                },
                {
                    "expression": f"object.metadata.?labels['{labels.OWNER}'].hasValue()",
                    "message": f"the label {labels.OWNER} says whose it is",
                    "reason": "Invalid",
                },
                {
                    "expression": f"{pods}.?securityContext.?runAsNonRoot.orValue(false)"
                    f" && {containers}.all(c, !{privileged} && c.?securityContext.?runAsNonRoot.orValue(true))",
                    "message": "nothing runs as root (securityContext.runAsNonRoot: true), nor privileged",
                    "reason": "Invalid",
                },
            ],
        },
    }


def _rule(group: str, resources: list[str]) -> Json:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": resources,
        "scope": "Namespaced",
    }


def _binding(policy: Json, definition: KubernetesEnvironment) -> Json:
    return {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": dict(policy["metadata"]),
        "spec": {
            "policyName": policy["metadata"]["name"],
            "validationActions": ["Deny"],
            "matchResources": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": definition.namespace}},
                "objectSelector": {},
            },
        },
    }
