"""What the cluster has of an environment, as the platform's answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bighead_ci.documents import labels
from bighead_ci.documents.environment import Gateway
from bighead_ci.documents.live import LiveVariant
from bighead_ci.errors import InputError
from bighead_ci.platforms.kubernetes import route
from bighead_ci.platforms.kubernetes.api import Json
from bighead_ci.platforms.kubernetes.committed import describe, label_of, name_of
from bighead_ci.platforms.kubernetes.pods import Health, health


@dataclass(frozen=True)
class Observed:
    """Deployments, pods and routes with an environment's label, as they were at one moment."""

    deployments: Sequence[Json]
    pods: Sequence[Json]
    routes: Sequence[Json]

    @property
    def models(self) -> list[str]:
        """Every model that something is there of."""
        found = {label_of(one, labels.MODEL) for one in [*self.deployments, *self.routes]}
        return sorted(name for name in found if name is not None)

    def names(self, model: str) -> list[str]:
        """Variants that have a Deployment."""
        return sorted(name_of(one) for one in self._deployments(model))

    def health(self, variant: str) -> Health | None:
        """How a variant is; None: it has no Deployment."""
        found = next((one for one in self.deployments if name_of(one) == variant), None)
        return None if found is None else health(found, self.pods_of(variant))

    def pods_of(self, variant: str) -> list[Json]:
        """Its pods."""
        return [pod for pod in self.pods if label_of(pod, labels.VARIANT) == variant]

    def weights(self, model: str, gateway: Gateway) -> dict[str, int]:
        """In force: what the Gateway has taken over of the model's route; nothing while it looks at a new version."""
        found = [one for one in self.routes if label_of(one, labels.MODEL) == model]
        return route.weights(found[0]) if len(found) == 1 and route.refusal(found[0], gateway) is None else {}

    def why_not_in_force(self, model: str, gateway: Gateway) -> str:
        """For whoever waits for the model's weights."""
        found = [one for one in self.routes if label_of(one, labels.MODEL) == model]
        if len(found) != 1:
            return f"there are {len(found)} HTTPRoutes of {model}"
        return route.refusal(found[0], gateway) or f"its HTTPRoute says {route.weights(found[0])}"

    def variants(self, model: str, gateway: Gateway) -> list[LiveVariant]:
        """Each variant of a model that has a Deployment."""
        weights = self.weights(model, gateway)
        return [self._live(one, weights.get(name_of(one), 0)) for one in self._deployments(model)]

    def _deployments(self, model: str) -> list[Json]:
        return sorted((one for one in self.deployments if label_of(one, labels.MODEL) == model), key=name_of)

    def _live(self, deployment: Json, weight: int) -> LiveVariant:
        name = name_of(deployment)
        found = health(deployment, self.pods_of(name))
        version = label_of(deployment, labels.VERSION)
        artifact = deployment["metadata"].get("annotations", {}).get(labels.ARTIFACT)
        if version is None or artifact is None:
            missing = labels.VERSION if version is None else labels.ARTIFACT
            raise InputError(f"{describe(deployment)} carries our labels and no {missing}: delete it or mend it")
        return LiveVariant(
            name=name,
            version=version,
            image=deployment["spec"]["template"]["spec"]["containers"][0]["image"],
            artifact=artifact,
            state=found.state,
            weight=weight,
            pid=None,
            port=None,
            reason=found.reason,
            restarts=found.restarts,
            restarted=found.restarted,
        )
