"""What the Prometheus operator is told to scrape: each part once, and only if one asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from support.rendered import Objects, Render, named, of_kind, pods


def monitored(objects: Objects) -> list[str]:
    """The ports of all endpoints, as often as they are scraped."""
    return sorted(
        endpoint["port"]
        for each in objects
        for endpoint in each.get("spec", {}).get("podMetricsEndpoints", [])
        + each.get("spec", {}).get("endpoints", [])
    )


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        ({}, []),
        ({"metrics": {"podMonitor": True}}, ["http", "metrics"]),
        ({"metrics": {"serviceMonitor": True}}, ["http"]),
        ({"metrics": {"podMonitor": True, "serviceMonitor": True}}, ["http", "metrics"]),
        ({"metrics": {"podMonitor": True}, "api": {"enabled": False}}, ["metrics"]),
        ({"metrics": {"serviceMonitor": True}, "api": {"enabled": False}}, []),
    ],
)
def test_no_part_is_scraped_twice(render: Render, values: dict[str, Any], ports: list[str]) -> None:
    assert monitored(render(**values)) == ports


def test_a_service_monitor_finds_the_api_by_labels_and_a_port_of_its_service(
    render: Render,
) -> None:
    objects = render(metrics={"serviceMonitor": True, "intervalSeconds": 7})
    [monitor] = of_kind(objects, "ServiceMonitor")
    service = named(objects, "Service", "rel-singletrack-api")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"] == [{"port": "http", "interval": "7s"}]
    assert [port["name"] for port in service["spec"]["ports"]] == ["http"]


def test_what_is_scraped_are_ports_of_the_pods(render: Render) -> None:
    objects = render(metrics={"podMonitor": True})
    ports = {
        port["name"]
        for name, spec in pods(objects)
        for port in spec["containers"][0].get("ports", [])
    }
    assert set(monitored(objects)) <= ports
