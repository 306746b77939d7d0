"""What changes the number of a pool's pods, and by which measure."""

from __future__ import annotations

from typing import Any

import pytest
from support.helm import HelmError
from support.rendered import Objects, Render, named, of_kind

from singletrack.lifecycle import OWNING
from singletrack.metrics.declarations import LEDGER, PREFIX

SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
KEDA: dict[str, Any] = {"kind": "keda", "keda": {"serverAddress": "http://prometheus:9090"}}
NAME = "rel-singletrack-worker-default"


def pool(scaling: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"default": {"autoscaling": scaling, **more}}


def scalers(objects: Objects) -> list[str]:
    return [each["kind"] for each in objects if each["kind"] in SCALERS]


def trigger(objects: Objects) -> dict[str, Any]:
    [found] = named(objects, "ScaledObject", NAME)["spec"]["triggers"]
    return found


def test_a_pool_has_as_many_pods_as_it_says_and_nothing_changes_it(render: Render) -> None:
    objects = render()
    assert scalers(objects) == []
    assert named(objects, "Deployment", NAME)["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("scaling", "kind"), [({"kind": "hpa"}, SCALERS[0]), (KEDA, SCALERS[1])], ids=["hpa", "keda"]
)
def test_an_autoscaler_is_the_only_one_that_says_how_many_pods_there_are(
    render: Render, scaling: dict[str, Any], kind: str
) -> None:
    objects = render(workers=pool(scaling, replicas=3))
    assert scalers(objects) == [kind]
    assert named(objects, kind, NAME)["spec"]["scaleTargetRef"]["name"] == NAME
    assert "replicas" not in named(objects, "Deployment", NAME)["spec"]


def test_an_hpa_divides_the_runs_that_own_their_lock_by_the_slots_of_a_pod(render: Render) -> None:
    scaling = {"kind": "hpa", "minReplicas": 2, "maxReplicas": 9, "target": 50}
    spec = named(render(workers=pool(scaling, concurrency=3)), SCALERS[0], NAME)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 9)
    [metric] = spec["metrics"]
    assert metric["type"] == "External"
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "1.5"}
    asked = metric["external"]["metric"]
    assert asked["name"].removeprefix(PREFIX) in {each.name for each in LEDGER}
    states, queues = asked["selector"]["matchExpressions"]
    assert states["key"] == "state"
    assert set(states["values"]) == OWNING
    assert (queues["key"], queues["values"]) == ("queue", ["celery", "other"])


def test_an_hpa_adds_up_what_the_values_say_instead(render: Render) -> None:
    own = {"matchLabels": {"release": "mine"}}
    scaling = {"kind": "hpa", "hpa": {"selector": own}}
    [metric] = named(render(workers=pool(scaling)), SCALERS[0], NAME)["spec"]["metrics"]
    assert metric["external"]["metric"]["selector"] == own


def test_keda_divides_the_runs_that_own_their_lock_by_the_slots_of_a_pod(render: Render) -> None:
    scaling = KEDA | {"minReplicas": 0, "maxReplicas": 9}
    objects = render(workers=pool(scaling, concurrency=5))
    spec = named(objects, "ScaledObject", NAME)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 9)
    asked = trigger(objects)
    assert (asked["type"], asked["metricType"]) == ("prometheus", "AverageValue")
    assert asked["metadata"]["threshold"] == "4"
    assert asked["metadata"]["serverAddress"] == "http://prometheus:9090"
    query = asked["metadata"]["query"]
    assert f"{PREFIX}runs{{" in query
    states = query.split('state=~"')[1].split('"')[0]
    assert set(states.split("|")) == OWNING


def test_keda_asks_for_the_operator_of_this_release_alone(render: Render) -> None:
    objects = render(workers=pool(KEDA))
    operator = "rel-singletrack-operator"
    assert named(objects, "Deployment", operator)
    query = trigger(objects)["metadata"]["query"]
    assert f'namespace="default",pod=~"{operator}-.+"' in query


def test_a_pool_counts_the_runs_of_its_own_queues(render: Render) -> None:
    objects = render(workers=pool(KEDA, queues=["big.reports", "mail"]))
    query = trigger(objects)["metadata"]["query"]
    assert r'queue=~"big\\.reports|mail|other"' in query


def test_keda_asks_what_the_values_say_instead(render: Render) -> None:
    own = {"keda": KEDA["keda"] | {"query": 'sum(mine{queue="big"})'}}
    asked = trigger(render(workers=pool(KEDA | own)))
    assert asked["metadata"]["query"] == 'sum(mine{queue="big"})'


def test_keda_does_not_take_a_missing_answer_for_no_runs(render: Render) -> None:
    assert trigger(render(workers=pool(KEDA)))["metadata"]["ignoreNullValues"] == "false"


def test_each_pool_scales_or_not_by_itself(render: Render) -> None:
    objects = render(
        workers=pool(KEDA, replicas=2)
        | {"fixed": {"autoscaling": {"kind": "none"}}, "big": {"autoscaling": {"maxReplicas": 50}}}
    )
    limits = {
        each["metadata"]["name"]: each["spec"]["maxReplicaCount"]
        for each in of_kind(objects, "ScaledObject")
    }
    assert limits == {NAME: 5, "rel-singletrack-worker-big": 50}
    assert named(objects, "Deployment", "rel-singletrack-worker-fixed")["spec"]["replicas"] == 2


@pytest.mark.parametrize(("fewest", "budgets"), [(0, 0), (1, 0), (2, 1)])
def test_the_fewest_pods_decide_whether_there_is_a_disruption_budget(
    render: Render, fewest: int, budgets: int
) -> None:
    objects = render(workers=pool(KEDA | {"minReplicas": fewest}, replicas=3))
    assert len(of_kind(objects, "PodDisruptionBudget")) == budgets


@pytest.mark.parametrize(
    ("scaling", "sentence"),
    [
        ({"kind": "hpa", "minReplicas": 6}, r"minReplicas \(6\) is more than maxReplicas \(5\)"),
        ({"kind": "hpa", "minReplicas": 0}, "keeps one pod at least"),
        ({"kind": "keda"}, "does not say where Prometheus is"),
    ],
)
def test_a_scaling_that_contradicts_itself_fails_with_a_sentence(
    render: Render, scaling: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(HelmError, match=rf"workers\.default\.autoscaling.*{sentence}"):
        render(workers=pool(scaling))


def test_a_scaling_that_is_off_contradicts_nothing(render: Render) -> None:
    assert scalers(render(workers=pool({"minReplicas": 6}))) == []
