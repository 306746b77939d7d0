"""The instruments of one process, made from the declarations: nothing is exposed undeclared."""

from __future__ import annotations

import platform

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from singletrack.installed import version_here
from singletrack.metrics.declarations import EVERY, Kind, Metric

_BY_NAME = {metric.name: metric for metric in EVERY}


def new_registry(component: str) -> CollectorRegistry:
    """What a component exposes of its process, and of what is installed."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no hint
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    gauge("build_info", registry).labels(
        component=component, version=version_here(), python=platform.python_version()
    ).set(1)
    return registry


def counter(name: str, registry: CollectorRegistry) -> Counter:
    """A declared counter, by its name without the prefix."""
    metric = _declared(name, Kind.COUNTER)
    return Counter(metric.full_name, metric.help, metric.labels, registry=registry)


def gauge(name: str, registry: CollectorRegistry) -> Gauge:
    """A declared gauge, by its name without the prefix."""
    metric = _declared(name, Kind.GAUGE)
    return Gauge(metric.full_name, metric.help, metric.labels, registry=registry)


def histogram(name: str, registry: CollectorRegistry) -> Histogram:
    """A declared histogram, by its name without the prefix."""
    metric = _declared(name, Kind.HISTOGRAM)
    return Histogram(
        metric.full_name, metric.help, metric.labels, buckets=metric.buckets, registry=registry
    )


def _declared(name: str, kind: Kind) -> Metric:
    metric = _BY_NAME[name]
    if metric.kind is not kind:
        raise ValueError(f"{name} is declared as a {metric.kind}")
    return metric
