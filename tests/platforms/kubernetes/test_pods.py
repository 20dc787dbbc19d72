"""What a Deployment's and its pods' state is in words."""

from __future__ import annotations

from typing import Any

import pytest

from bighead_ci.platforms.kubernetes.pods import health


def deployment(*, available: bool = False, seen: bool = True, **conditions: dict[str, str]) -> dict[str, Any]:
    """Of one replica; further conditions by type."""
    found = [{"type": "Available", "status": str(available)}]
    found += [{"type": kind, **condition} for kind, condition in conditions.items()]
    return {
        "metadata": {"name": "tiny-v1", "generation": 2},
        "status": {
            "observedGeneration": 2 if seen else 1,
            "readyReplicas": int(available),
            "conditions": found,
        },
    }


def pod(state: dict[str, Any], last: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """With one container in this state."""
    container = {
        "name": "model",
        "image": "tiny@sha256:1",
        "state": state,
        "lastState": last or {},
        **more,
    }
    return {
        "metadata": {"name": "tiny-v1-abc"},
        "spec": {"containers": [{"name": "model", "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": {"containerStatuses": [container]},
    }


CRASHED = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "manifest unknown"}},
            "dead",
            "cannot be pulled: manifest",
        ),
        ({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "s" not found'}}, "dead", "not found"),
        ({"waiting": {"reason": "ContainerCreating"}}, "starting", ""),
        ({"running": {}}, "unready", "says that it is not ready"),
    ],
)
def test_a_pod_that_does_not_answer_says_why(seen: dict[str, Any], state: str, words: str) -> None:
    """In the cluster's own words, with the image where it is the image."""
    found = health(deployment(), [pod(seen, started=True)])
    assert (found.state, found.refused) == (state, False)
    assert words in found.reason


def test_a_pod_that_took_too_much_memory_says_what_it_asked_for() -> None:
    """It refused nothing: another try may end well, and its own log says nothing of it."""
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    found = health(deployment(), [pod(CRASHED, ended, restartCount=2)])
    assert (found.state, found.refused, found.restarts) == ("dead", False, 2)
    assert found.reason == found.restarted == "it took more memory than it asked for (64Mi) and was ended for it"


def test_a_process_that_refuses_to_serve_is_quoted() -> None:
    """Its termination message is why; it will say the same again."""
    ended = {"terminated": {"reason": "Error", "exitCode": 3, "message": "golden row 2 differs\n"}}
    found = health(deployment(), [pod(CRASHED, ended, restartCount=1)])
    assert (found.state, found.reason, found.refused) == ("dead", "golden row 2 differs", True)


def test_a_pod_that_no_node_takes_is_starting_with_the_reason() -> None:
    """Room may come."""
    waiting = pod({"waiting": {"reason": "ContainerCreating"}})
    waiting["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}]
    found = health(deployment(), [waiting])
    assert (found.state, found.reason) == ("starting", "no node takes it: Insufficient memory")


def test_what_an_admission_policy_refuses_is_said() -> None:
    """There is no pod to ask then."""
    failure = {"status": "True", "message": "denied: every image is named by its digest"}
    assert "named by its digest" in health(deployment(ReplicaFailure=failure), []).reason


def test_a_variant_is_ready_once_the_cluster_calls_it_available() -> None:
    """What it said of an older version of the Deployment does not count."""
    running = [pod({"running": {}}, started=True, ready=True)]
    assert health(deployment(available=True), running).state == "ready"
    assert health(deployment(available=True, seen=False), running).state == "starting"


def test_a_container_that_fetches_is_not_unready() -> None:
    """The artifact takes its time; the process has not begun."""
    fetching = pod({"waiting": {"reason": "PodInitializing"}})
    fetching["spec"]["initContainers"] = [{"name": "artifact"}]
    fetching["status"]["initContainerStatuses"] = [
        {"name": "artifact", "image": "i", "state": {"running": {}}, "started": True, "ready": False}
    ]
    assert health(deployment(), [fetching]).state == "starting"


def test_a_pod_that_leaves_is_not_looked_at() -> None:
    """It was told to end; how it ends is no news of the variant."""
    leaving = pod({"terminated": {"exitCode": 143}})
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert health(deployment(), [leaving]).reason == ""


def test_what_the_cluster_gave_up_waiting_for_is_stuck() -> None:
    """By the Deployment's own deadline of progress."""
    assert health(deployment(Progressing={"status": "False", "reason": "ProgressDeadlineExceeded"}), []).stuck
