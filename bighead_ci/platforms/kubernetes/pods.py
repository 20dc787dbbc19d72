"""How a variant's Deployment and pods are, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bighead_ci.platforms.kubernetes.api import Json

CANNOT_PULL = frozenset({"ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "RegistryUnavailable"})
CANNOT_BE_MADE = frozenset(
    {"InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)

LAST_LINES = 5
"""Of what a container said before it ended."""


@dataclass(frozen=True)
class Health:
    """How a variant is."""

    state: Literal["starting", "ready", "unready", "dead"]
    reason: str = ""
    refused: bool = False
    """Whether its program ended by its own will and said why: trying again alone will not help."""
    stuck: bool = False
    """Whether the cluster has given up waiting for it."""
    restarts: int = 0
    restarted: str = ""
    """Why, the last time."""


@dataclass(frozen=True)
class _Fault:
    state: Literal["starting", "unready", "dead"]
    reason: str
    refused: bool = False


def health(deployment: Json, pods: Sequence[Json]) -> Health:
    """Of a variant, by what the cluster says of its Deployment and its pods.

    Ready is what Kubernetes calls available: as many pods are ready as its strategy asks for, and of this version.
    """
    status = deployment.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
    available = conditions.get("Available", {}).get("status") == "True" and status.get("readyReplicas", 0) > 0
    faults = [fault for pod in pods for fault in _faults(pod)]
    restarts = sum(one.get("restartCount", 0) for pod in pods for one in _containers(pod))
    ends = [words for pod in pods for one in _containers(pod) if (words := _last_end(pod, one))]
    restarted = ends[0] if restarts and ends else ""
    if seen and available:
        return Health("ready", "; ".join(_distinct(faults)), restarts=restarts, restarted=restarted)
    progressing = conditions.get("Progressing", {})
    worst = next((f for state in ("dead", "unready", "starting") for f in faults if f.state == state), None)
    return Health(
        worst.state if worst else "starting",
        worst.reason if worst else _why_no_pods(conditions),
        refused=any(fault.refused for fault in faults),
        stuck=progressing.get("reason") == "ProgressDeadlineExceeded",
        restarts=restarts,
        restarted=restarted,
    )


def _distinct(faults: Sequence[_Fault]) -> list[str]:
    return list(dict.fromkeys(fault.reason for fault in faults if fault.state != "starting"))


def _why_no_pods(conditions: dict[str, Json]) -> str:
    """A quota, an admission policy: what the Deployment's controller could not make."""
    failure = conditions.get("ReplicaFailure", {})
    return f"no pod could be made: {failure.get('message')}" if failure.get("status") == "True" else ""


def _containers(pod: Json) -> list[Json]:
    status = pod.get("status", {})
    found: list[Json] = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return found


def _faults(pod: Json) -> Iterator[_Fault]:
    """Why a pod does not answer, if it does not."""
    if pod["metadata"].get("deletionTimestamp"):
        return
    status = pod.get("status", {})
    if status.get("reason") == "Evicted":
        yield _Fault("dead", f"its node put it out: {status.get('message', '').strip()}")
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield _Fault("starting", f"no node takes it: {condition.get('message', condition.get('reason'))}")
    for container in _containers(pod):
        if (fault := _fault_of(pod, container)) is not None:
            yield fault


def _fault_of(pod: Json, container: Json) -> _Fault | None:
    state = container.get("state", {})
    waiting = state.get("waiting", {}).get("reason", "")
    if waiting in CANNOT_PULL:
        return _Fault("dead", f"image {container['image']} cannot be pulled: {_message(state['waiting'])}")
    if waiting in CANNOT_BE_MADE:
        return _Fault("dead", f"its container cannot be made: {_message(state['waiting'])}")
    if container.get("ready"):
        return None
    if words := _last_end(pod, container):
        return _Fault("dead", words, refused=_refused(container))
    fetches = container["name"] in {one["name"] for one in pod["spec"].get("initContainers", [])}
    if "running" in state and container.get("started") and not fetches:
        return _Fault("unready", "it runs and says that it is not ready")
    return None


def _message(state: Json) -> str:
    return str(state.get("message") or state.get("reason"))


def _end(container: Json) -> Json | None:
    """How a container ended: now, or before it was started again."""
    for state in (container.get("state", {}), container.get("lastState", {})):
        if "terminated" in state and (state["terminated"].get("exitCode") or state["terminated"].get("signal")):
            found: Json = state["terminated"]
            return found
    return None


def _refused(container: Json) -> bool:
    end = _end(container)
    return bool(end and end.get("message") and end.get("reason") != "OOMKilled")


def _last_end(pod: Json, container: Json) -> str:
    """In words: out of memory with what it asked for, its own last words, or its exit code."""
    end = _end(container)
    if end is None:
        return ""
    if end.get("reason") == "OOMKilled":
        return f"it took more memory than it asked for ({_memory(pod, container['name'])}) and was ended for it"
    last_words = str(end.get("message") or "").strip().splitlines()[-LAST_LINES:]
    return (
        "\n".join(last_words)
        or f"it ended with exit code {end.get('exitCode')} and no last words ({end.get('reason')})"
    )


def _memory(pod: Json, name: str) -> str:
    spec = pod["spec"]
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        if container["name"] == name:
            return str(container.get("resources", {}).get("limits", {}).get("memory", "no limit of its own"))
    return "unknown"
