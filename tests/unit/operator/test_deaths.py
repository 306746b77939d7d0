"""What a Pod and a node prove about the processes in them, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest

from singletrack.exits import Exit
from singletrack.operations import Cause
from singletrack.pods import Pod
from singletrack_operator import deaths
from singletrack_operator.deaths import Death

POD = Pod(namespace="shop", name="worker-1", uid="u1", node="n1")


def ended(code: int = 0, reason: str = "Completed") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


def body(phase: str = "Failed", *states: dict[str, Any], **status: Any) -> dict[str, Any]:
    """A Pod with two containers, which are in these states."""
    names = ("worker", "proxy")
    states = states or (ended(137, "OOMKilled"), ended())
    found = [{"name": n, "state": s} for n, s in zip(names, states, strict=False)]
    return {
        "spec": {"containers": [{"name": name} for name in names]},
        "status": {"phase": phase, "containerStatuses": found} | status,
    }


def test_a_final_phase_and_the_end_of_every_container_prove_it() -> None:
    assert deaths.of_pod(POD, body()) == Death(
        "its Pod shop/worker-1 has ended: "
        "worker with exit code 137 (OOMKilled), proxy with exit code 0 (Completed)"
    )


@pytest.mark.parametrize(
    ("code", "reason", "cause"),
    [(137, "OOMKilled", Cause.OUT_OF_MEMORY), (137, "Error", Cause.DIED), (3, "Error", Cause.DIED)],
)
def test_of_a_single_container_it_is_known_how_the_process_ended(
    code: int, reason: str, cause: Cause
) -> None:
    single = {
        "spec": {"containers": [{"name": "worker"}]},
        "status": {
            "phase": "Failed",
            "containerStatuses": [{"name": "worker", "state": ended(code, reason)}],
        },
    }
    death = deaths.of_pod(POD, single)
    assert death is not None
    assert (death.cause, death.exit) == (cause, Exit(code=code))


def test_a_pod_that_succeeded_has_ended_as_well() -> None:
    assert deaths.of_pod(POD, body("Succeeded", ended(), ended()))


def test_a_container_before_the_others_that_never_started_does_not_matter() -> None:
    waiting = [{"name": "prepare", "state": {"waiting": {"reason": "PodInitializing"}}}]
    assert deaths.of_pod(POD, body(initContainerStatuses=waiting))


RUNNING = {"running": {"startedAt": "2026-11-25T12:00:00Z"}}
UNPROVEN = {
    "one that is not in a final phase may start its containers again": body("Running"),
    "nobody knows what a node does that does not answer": body("Unknown"),
    "a container that runs": body("Failed", ended(), RUNNING),
    "a container nobody has told of": body("Failed", ended()),
    "a container the kubelet did not find": body(
        "Failed", ended(137, "ContainerStatusUnknown"), ended()
    ),
    "a container that has ended before": body(
        "Failed", ended(), {"waiting": {"reason": "CrashLoopBackOff"}}
    ),
    "a sidecar that runs": body(initContainerStatuses=[{"name": "s", "state": RUNNING}]),
    "a debugger that runs": body(ephemeralContainerStatuses=[{"name": "d", "state": RUNNING}]),
    "the garbage collector gives phases to Pods of nodes that were removed": body(
        conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}]
    ),
    "a Pod of which nothing was told": {"metadata": {}, "status": {"phase": "Failed"}},
    "a bookmark": {"metadata": {"resourceVersion": "7"}},
}


@pytest.mark.parametrize("found", UNPROVEN.values(), ids=UNPROVEN)
def test_it_is_not_certain(found: dict[str, Any]) -> None:
    assert deaths.of_pod(POD, found) is None


def node(ready: str = "Unknown", *taints: str) -> dict[str, Any]:
    return {
        "spec": {"taints": [{"key": key} for key in taints]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_a_node_that_was_put_out_of_service_proves_it() -> None:
    assert deaths.of_node("n1", node("Unknown", deaths.OUT_OF_SERVICE)) == Death(
        "its node n1 is out of service (node.kubernetes.io/out-of-service)"
    )


@pytest.mark.parametrize(
    "found",
    [
        node("Unknown", "node.kubernetes.io/unreachable"),
        node("True", deaths.OUT_OF_SERVICE),
        node("Unknown"),
        {},
    ],
    ids=["unreachable", "answers", "untainted", "empty"],
)
def test_a_node_that_only_does_not_answer_proves_nothing(found: dict[str, Any]) -> None:
    assert deaths.of_node("n1", found) is None
