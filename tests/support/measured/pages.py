"""What a page of metrics consists of, beside its numbers."""

from __future__ import annotations

from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from singletrack.metrics.declarations import PREFIX, Kind, Metric


def families(page: str) -> dict[str, Family]:
    """Ours, by the name that the page declares."""
    found = text_string_to_metric_families(page)
    return {family.name: family for family in found if family.name.startswith(PREFIX)}


def declared_as(metric: Metric) -> str:
    """The name of its family, as the reader of the text format has it."""
    if metric.kind is Kind.COUNTER:
        return metric.full_name.removesuffix("_total")
    return metric.full_name


def label_sets(family: Family) -> set[frozenset[str]]:
    """The labels of its series, apart from a bucket's bound."""
    return {frozenset(sample.labels) - {"le"} for sample in family.samples}


def bounds(family: Family) -> set[float]:
    return {float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels}
