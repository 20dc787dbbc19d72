"""The API server: objects as plain JSON, errors as one of our three kinds."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError

from bighead_ci.errors import InputError, RetryError

Json = dict[str, Any]
FIELD_MANAGER = "bighead"
"""Who owns the fields that we apply: two of us with the same files own them together, and change nothing."""
TIMEOUT_SECONDS = (5, 20)
"""To connect, and for an answer."""
NOT_FOUND, CONFLICT, TOO_MANY, SERVER_ERRORS = 404, 409, 429, 500
UNKNOWN_SECONDS = 60.0
"""How long it is believed that a cluster does not know a kind."""


class Kind(NamedTuple):
    """A kind of object with the version of its interface."""

    api_version: str
    kind: str

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Kind:
        """Of an object."""
        return cls(manifest["apiVersion"], manifest["kind"])


DEPLOYMENT = Kind("apps/v1", "Deployment")
POD = Kind("v1", "Pod")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute")
NAMESPACE = Kind("v1", "Namespace")
OWNED = (
    HTTP_ROUTE,
    DEPLOYMENT,
    Kind("v1", "Service"),
    Kind("v1", "ConfigMap"),
    Kind("policy/v1", "PodDisruptionBudget"),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler"),
    Kind("networking.k8s.io/v1", "NetworkPolicy"),
    Kind("monitoring.coreos.com/v1", "ServiceMonitor"),
    Kind("monitoring.coreos.com/v1", "PrometheusRule"),
)
"""Kinds that a release is rendered to, in the order in which they leave: traffic first."""


class Cluster(Protocol):
    """What the platform asks of an API server.

    Every call raises RetryError where it does not answer or is busy, and InputError where it refuses what is asked.
    """

    def knows(self, kind: Kind) -> bool:
        """Whether it has objects of a kind."""

    def objects(self, kind: Kind, namespace: str | None, labels: str) -> list[Json]:
        """All objects of a kind with these labels; none of a kind that it does not know."""

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json | None:
        """One object."""

    def apply(self, manifest: Json, namespace: str, *, dry_run: bool = False) -> Json:
        """Make the object's fields what the manifest says, whoever set them; return what it is then, or would be."""

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object with all that it owns; it may be gone already."""

    def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of an object."""

    def page(self, namespace: str, pod: str, port: int, path: str) -> str:
        """What a pod answers to a GET, asked through the API server."""


class ApiServer:
    """`Cluster` by the kubeconfig of whoever runs this, or by the service account of the pod it runs in.

    Args:
        context: Of the kubeconfig; None: its current one, and the pod's own account where there is no kubeconfig.
        kubeconfig: A file; None: where `kubectl` looks for it.
    """

    def __init__(self, context: str | None, kubeconfig: Path | None = None) -> None:
        self._context = context
        self._kubeconfig = None if kubeconfig is None else str(kubeconfig)
        self._kinds: dict[Kind, tuple[tuple[str, bool] | None, float]] = {}
        """What it is called, and until when that is believed."""

    def knows(self, kind: Kind) -> bool:
        """Whether it has objects of a kind."""
        return self._plural(kind) is not None

    def objects(self, kind: Kind, namespace: str | None, labels: str) -> list[Json]:
        """All objects of a kind with these labels; none of a kind that it does not know."""
        if not self.knows(kind):
            return []
        found = self._ask("get", self._path(kind, namespace), label_selector=labels)
        # In a list the server leaves out what all of them are.
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in found["items"]]

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json | None:
        """One object."""
        if not self.knows(kind):
            return None
        try:
            return self._ask("get", self._path(kind, namespace, name))
        except _MissingError:
            return None

    def apply(self, manifest: Json, namespace: str, *, dry_run: bool = False) -> Json:
        """Server-side apply: what others had set is taken over, which is what makes a hand edit go."""
        kind = Kind.of(manifest)
        path = self._path(kind, namespace, manifest["metadata"]["name"])
        try:
            return self._ask(
                "patch",
                path,
                body=manifest,
                content_type="application/apply-patch+yaml",
                field_manager=FIELD_MANAGER,
                force_conflicts=True,
                **({"dry_run": "All"} if dry_run else {}),
            )
        except _MissingError:
            message = f"{kind.kind} {manifest['metadata']['name']}: there is no namespace {namespace} in the cluster"
            raise InputError(message) from None

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """In the background: what it owns is collected by the cluster."""
        path = self._path(kind, namespace, name)
        try:
            self._ask("delete", path, propagation_policy="Background")
        except _MissingError:
            return

    def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """By a merge patch."""
        path = self._path(kind, namespace, name)
        body = {"metadata": {"annotations": dict(annotations)}}
        try:
            self._ask("patch", path, body=body, content_type="application/merge-patch+json")
        except _MissingError:
            raise InputError(f"there is no {kind.kind} {name} in namespace {namespace}") from None

    def page(self, namespace: str, pod: str, port: int, path: str) -> str:
        """Through the API server's proxy, as nothing else of a pod need be reachable from here."""
        try:
            return self._raw("get", f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}").decode()
        except _MissingError:
            raise RetryError(f"pod {pod} is gone, or has no {path}") from None

    @cached_property
    def _client(self) -> DynamicClient:
        """Made when first asked; a cluster that is away then is asked again by the next call."""
        settings = Configuration()
        settings.retries = False  # whoever calls knows when to try again
        try:
            config.load_kube_config(self._kubeconfig, self._context, client_configuration=settings)
        except config.ConfigException as error:
            if self._context is not None:
                raise InputError(f"the kubeconfig has no context {self._context}: {error}") from None
            self._take_own_account(settings, error)
        # Its own discovery is not for threads, and begins anew whenever a kind is not there.
        return DynamicClient(ApiClient(settings), discoverer=lambda *_: None)

    def _take_own_account(self, settings: Configuration, error: Exception) -> None:
        try:
            config.load_incluster_config(client_configuration=settings)
        except config.ConfigException:
            message = f"there is no kubeconfig (KUBECONFIG, ~/.kube/config) and this is no pod: {error}"
            raise InputError(message) from None

    def _path(self, kind: Kind, namespace: str | None, name: str | None = None) -> str:
        """Where objects of a kind are.

        Raises:
            InputError: the cluster does not know the kind.
        """
        found = self._plural(kind)
        if found is None:
            raise InputError(f"the cluster does not know {kind.kind} of {kind.api_version}: its CRD is not installed")
        plural, namespaced = found
        within = f"/namespaces/{namespace}" if namespaced and namespace else ""
        return f"{_group_path(kind)}{within}/{plural}{f'/{name}' if name else ''}"

    def _plural(self, kind: Kind) -> tuple[str, bool] | None:
        """What a kind is called in paths, and whether its objects are in namespaces; None: the cluster has none.

        That it has none is asked again after a while: somebody may have installed it.
        """
        found, until = self._kinds.get(kind, (None, 0.0))
        if time.monotonic() >= until:
            try:
                known = self._ask("get", _group_path(kind))["resources"]
            except _MissingError:
                known = []
            names = [(r["name"], r["namespaced"]) for r in known if r["kind"] == kind.kind and "/" not in r["name"]]
            found = names[0] if names else None
            self._kinds[kind] = (found, math.inf if found else time.monotonic() + UNKNOWN_SECONDS)
        return found

    def _ask(self, method: str, path: str, **settings: Any) -> Json:
        found: Json = json.loads(self._raw(method, path, **settings))
        return found

    def _raw(self, method: str, path: str, **settings: Any) -> bytes:
        client = self._client

        def call() -> bytes:
            answer = client.request(method, path, serialize=False, _request_timeout=TIMEOUT_SECONDS, **settings)
            data: bytes = answer.data
            return data

        data: bytes = self._answered(call)
        return data

    def _answered(self, call: Callable[[], Any]) -> Any:
        """What a call answers, with the client library's errors as ours."""
        try:
            return call()
        except DynamicApiError as error:
            raise _translated(error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise RetryError(f"the cluster's API server does not answer: {type(error).__name__}") from None


def _group_path(kind: Kind) -> str:
    return f"/{'apis' if '/' in kind.api_version else 'api'}/{kind.api_version}"


class _MissingError(Exception):
    """404: each call says what that means for it."""


def _translated(error: DynamicApiError) -> Exception:
    if error.status == NOT_FOUND:
        return _MissingError(_words(error))
    if not error.status:
        return RetryError(f"the cluster's API server does not answer: {error.reason}")
    if error.status in {CONFLICT, TOO_MANY} or error.status >= SERVER_ERRORS:
        return RetryError(f"the cluster's API server is busy ({error.status}): {_words(error)}")
    return InputError(f"the cluster refuses ({error.status}): {_words(error)}")


def _words(error: DynamicApiError) -> str:
    """The server's own, which name the object and field."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body)
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.strip()[:500] or str(error.reason)
