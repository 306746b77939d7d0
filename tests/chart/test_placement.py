"""Where the chart's pods are put, who gives way to whom, and how many may be away at a time."""

from __future__ import annotations

from typing import Any

import pytest
from support.rendered import Render, named, of_kind, pods

VALKEY = {"redis": {}, "valkey": {"enabled": True, "existingSecret": "password"}}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}


def workload(render: Render, name: str, **values: Any) -> dict[str, Any]:
    return named(render(**values), "Deployment", f"rel-singletrack-{name}")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("api", {"api": {"topologySpreadConstraints": [SPREAD]}}),
        ("worker-default", {"workers": {"default": {"topologySpreadConstraints": [SPREAD]}}}),
        ("worker-big", {"workers": {"big": {"topologySpreadConstraints": [SPREAD]}}}),
    ],
)
def test_a_spread_counts_the_pods_of_its_own_component(
    render: Render, name: str, values: dict[str, Any]
) -> None:
    found = workload(render, name, **values)
    [spread] = found["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread == SPREAD | {"labelSelector": found["spec"]["selector"]}


def test_a_spread_counts_other_pods_if_it_says_which(render: Render) -> None:
    own = SPREAD | {"labelSelector": {"matchLabels": {"mine": "yes"}}}
    found = workload(render, "api", api={"topologySpreadConstraints": [own]})
    assert found["spec"]["template"]["spec"]["topologySpreadConstraints"] == [own]


def test_each_part_has_a_priority_of_its_own_and_none_by_itself(render: Render) -> None:
    classes = {
        "api": {"priorityClassName": "for-api"},
        "operator": {"priorityClassName": "for-operator"},
        "workers": {"default": {"priorityClassName": "for-workers"}, "big": {}},
        "valkey": VALKEY["valkey"] | {"priorityClassName": "for-valkey"},
    }
    found = {
        name.removeprefix("rel-singletrack-"): spec.get("priorityClassName")
        for name, spec in pods(render(**(VALKEY | classes)))
    }
    assert found == {
        "api": "for-api",
        "operator": "for-operator",
        "worker-default": "for-workers",
        "worker-big": "for-workers",
        "valkey": "for-valkey",
        "test": None,
    }
    assert [name for name, spec in pods(render(**VALKEY)) if "priorityClassName" in spec] == []


def test_a_pool_can_take_back_what_default_says(render: Render) -> None:
    default = {
        "replicas": 3,
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "high",
        "env": {"A": "a", "B": "b"},
    }
    back = {"replicas": 0, "tolerations": [], "priorityClassName": "", "env": {"A": ""}}
    found = workload(render, "worker-small", workers={"default": default, "small": back})["spec"]
    pod = found["template"]["spec"]
    assert found["replicas"] == 0
    assert "tolerations" not in pod
    assert "priorityClassName" not in pod
    given = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    assert (given["A"], given["B"]) == ("", "b")


def test_a_disruption_budget_is_there_only_where_it_blocks_no_drain(render: Render) -> None:
    assert of_kind(render(), "PodDisruptionBudget") == []
    several: dict[str, Any] = {
        "api": {"replicas": 2},
        "workers": {"big": {"replicas": 3}, "idle": {"replicas": 0}},
    }
    objects = render(**several)
    budgets = of_kind(objects, "PodDisruptionBudget")
    names = {each["metadata"]["name"] for each in budgets}
    assert names == {"rel-singletrack-api", "rel-singletrack-worker-big"}
    for budget in budgets:
        assert budget["spec"]["maxUnavailable"] == 1
        pods_of = named(objects, "Deployment", budget["metadata"]["name"])["spec"]["selector"]
        assert budget["spec"]["selector"] == pods_of


def test_no_pod_needs_a_checksum_because_the_chart_feeds_none_by_an_object_of_its_own(
    render: Render,
) -> None:
    # A changed setting is a changed template: settings are in the environment. The Secrets are
    # the user's own: the chart cannot know when one changes.
    kinds = {each["kind"] for each in render(**VALKEY)}
    assert kinds.isdisjoint({"ConfigMap", "Secret"})
