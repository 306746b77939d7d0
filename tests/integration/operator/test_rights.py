"""The operator and the API get along with the rights the manifest grants them, and no more."""

from __future__ import annotations

import pytest
from integration.operator.cluster import Cluster, HandWorker, OperatorProcess, taskrun

OPERATOR = "system:serviceaccount:singletrack:singletrack-operator"
API = "system:serviceaccount:singletrack:singletrack-api"

MAY = [
    (OPERATOR, "get taskruns"),
    (OPERATOR, "list taskruns"),
    (OPERATOR, "watch taskruns"),
    (OPERATOR, "delete taskruns"),
    (OPERATOR, "patch taskruns --subresource=status"),
    (OPERATOR, "create events.events.k8s.io"),
    (OPERATOR, "get nodes"),
    (OPERATOR, "watch pods --namespace=singletrack"),
    (API, "create taskruns"),
    (API, "get taskruns"),
    (API, "patch taskruns"),
    (API, "delete taskruns"),
    (API, "create tokenreviews.authentication.k8s.io"),
    (API, "create subjectaccessreviews.authorization.k8s.io"),
]

MAY_NOT = [
    (OPERATOR, "create taskruns"),
    (OPERATOR, "patch taskruns"),
    (OPERATOR, "update taskruns"),
    (OPERATOR, "update taskruns --subresource=status"),
    (OPERATOR, "deletecollection taskruns"),
    (OPERATOR, "patch deployments.apps --subresource=status"),
    (OPERATOR, "patch pods --subresource=status"),
    (OPERATOR, "watch pods"),
    (OPERATOR, "get pods --namespace=singletrack"),
    (OPERATOR, "list pods --namespace=singletrack"),
    (OPERATOR, "delete pods --namespace=singletrack"),
    (OPERATOR, "list nodes"),
    (OPERATOR, "watch nodes"),
    (OPERATOR, "patch nodes --subresource=status"),
    (OPERATOR, "get secrets"),
    (OPERATOR, "list events.events.k8s.io"),
    (OPERATOR, "list namespaces"),
    (OPERATOR, "list customresourcedefinitions.apiextensions.k8s.io"),
    (API, "list taskruns"),
    (API, "watch taskruns"),
    (API, "patch taskruns --subresource=status"),
    (API, "get secrets"),
]


def can(cluster: Cluster, who: str, what: str) -> str:
    verb, kind, *options = what.split()
    kind = f"{kind}.singletrack.dev" if kind == "taskruns" else kind
    answer = cluster.kubectl("auth", "can-i", verb, kind, f"--as={who}", *options)
    return answer.stdout.strip()


@pytest.mark.parametrize(("who", "what"), MAY)
def test_may(cluster: Cluster, who: str, what: str) -> None:
    assert can(cluster, who, what) == "yes"


@pytest.mark.parametrize(("who", "what"), MAY_NOT)
def test_may_not(cluster: Cluster, who: str, what: str) -> None:
    assert can(cluster, who, what) == "no"


def test_the_operator_is_never_turned_away(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess
) -> None:
    requests = "singletrack_kube_request_duration_seconds_count"
    forbidden = operator.metric(requests, code="403")
    created = cluster.create(taskrun("a", ttlSecondsAfterFinished=0))
    worker.start(created)
    worker.finish(created)
    cluster.do("wait", "--for=delete", "strun/a", "--timeout=20s")

    assert operator.metric(requests, verb="PATCH", resource="taskruns/status", code="200") >= 1
    assert operator.metric(requests, verb="WATCH", code="200") >= 1
    assert operator.metric(requests, code="403") == forbidden
    assert operator.metric(requests, code="401") == 0
