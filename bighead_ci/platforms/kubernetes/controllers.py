"""Controllers that apply what is merged: Flux and Argo CD. They are watched, and told to look at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from bighead_ci.documents import labels
from bighead_ci.platforms.kubernetes.api import Cluster, Json, Kind
from bighead_ci.platforms.kubernetes.committed import describe

KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io/v1", "Kustomization")
GIT_REPOSITORY = Kind("source.toolkit.fluxcd.io/v1", "GitRepository")
APPLICATION = Kind("argoproj.io/v1alpha1", "Application")
FLUX_ASK = "reconcile.fluxcd.io/requestedAt"
ARGO_CD_ASK = "argocd.argoproj.io/refresh"
PAUSE = timedelta(seconds=1)
"""Between two times that it is told to look for the same thing."""


class Controller:
    """The controller of one environment, by the object that tells it what to apply.

    That object carries the label `bighead/environment`, in whatever namespace it lies.
    """

    def __init__(self, kind: Literal["flux", "argo-cd"], environment: str, cluster: Cluster) -> None:
        self._flux = kind == "flux"
        self._environment = environment
        self._cluster = cluster
        self._asked: dict[str, datetime] = {}
        """What it was told last to look for, and when."""

    def ask(self, what: str, now: datetime) -> None:
        """Tell it to look at git now, and to correct what differs, instead of at its next interval.

        It then goes through all of the environment, so for the same thing it is not told too often.
        """
        if what in self._asked and now - self._asked[what] < PAUSE:
            return
        self._asked = {what: now}
        for order in self._orders():
            namespace, name = order["metadata"]["namespace"], order["metadata"]["name"]
            if not self._flux:
                self._cluster.annotate(APPLICATION, namespace, name, {ARGO_CD_ASK: "normal"})
                continue
            source = order["spec"]["sourceRef"]
            asked = {FLUX_ASK: now.isoformat()}
            if source["kind"] == GIT_REPOSITORY.kind:
                self._cluster.annotate(GIT_REPOSITORY, source.get("namespace", namespace), source["name"], asked)
            self._cluster.annotate(KUSTOMIZATION, namespace, name, asked)

    def says(self) -> str:
        """What it says of itself, in words: for whoever waits for it."""
        said = [self._said(order) for order in self._orders()]
        if said:
            return "; ".join(said)
        kind = KUSTOMIZATION if self._flux else APPLICATION
        return f"the cluster has no {kind.kind} with the label {labels.ENVIRONMENT}: {self._environment}"

    def _orders(self) -> list[Json]:
        wanted = f"{labels.ENVIRONMENT}={self._environment}"
        return self._cluster.objects(KUSTOMIZATION if self._flux else APPLICATION, None, wanted)

    def _said(self, order: Json) -> str:
        status = order.get("status", {})
        if self._flux:
            ready: Json = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
            applied = status.get("lastAppliedRevision", "nothing")
            return f"{describe(order)} has applied {applied}; ready: {ready.get('status')}: {ready.get('message')}"
        words = [f"{key}: {status.get(key, {}).get('status')}" for key in ("sync", "health")]
        return f"{describe(order)}: {', '.join([*words, *_argo_messages(status)])}"


def _argo_messages(status: Json) -> Iterator[str]:
    return (str(condition.get("message")) for condition in status.get("conditions", []))
