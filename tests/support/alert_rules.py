"""The chart's rules, their cases and their runbooks as data; and what a rule may name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from support.helm import CHART

from singletrack.lifecycle import VIEWS, State
from singletrack.metrics.counters import REASONS
from singletrack.metrics.declarations import EVERY, OTHER, PREFIX, Kind
from singletrack.retries import RetryCause

ROOT = CHART.parents[1]
FILES = sorted((CHART / "alerts").glob("*.yaml"))
CASES = sorted((ROOT / "tests" / "chart" / "rules").glob("*.yaml"))
RUNBOOKS = sorted((ROOT / "docs" / "how-to" / "runbooks").glob("*.md"))

#: What Prometheus puts on what it scrapes; `namespace` tells installations apart.
TARGET = frozenset({"namespace", "job", "instance"})
_NOT_OURS = frozenset(
    {"up", "process_start_time_seconds", "process_open_fds", "process_max_fds"},
)
_VALUES = {
    "outcome": {view.outcome for view in VIEWS.values() if view.outcome},
    "state": {str(state) for state in State},
    "result": {"ok", "error"},
    "reason": {*REASONS, OTHER},
    "cause": {str(cause) for cause in RetryCause},
    "component": {"api", "operator", "worker"},
    "kind": {"lock", "queue", "recycled", "signal", "error"},
    "label": {"task", "queue"},
}


@cache
def groups(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(file.read_text())["groups"]
    return found


RULES = [rule for file in FILES for group in groups(file) for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDS = {rule["record"]: rule for rule in RULES if "record" in rule}


def cases(*, firing: bool) -> set[str]:
    """The alerts that some case expects to fire, or not to."""
    return {
        look["alertname"]
        for file in CASES
        for case in yaml.safe_load(file.read_text())["tests"]
        for look in case.get("alert_rule_test", ())
        if bool(look["exp_alerts"]) is firing and case["name"].startswith(look["alertname"])
    }


@dataclass(frozen=True)
class Section:
    """What one runbook says of one alert."""

    page: Path
    heading: str
    text: str

    @property
    def anchor(self) -> str:
        """As GitHub and every other renderer makes it of a heading of one word."""
        return f"{self.page.name}#{self.heading.lower()}"


def sections() -> list[Section]:
    found = []
    for page in RUNBOOKS:
        for part in re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]:
            heading, _, text = part.partition("\n")
            found.append(Section(page, heading.strip(), text))
    return found


def complaints(expression: str) -> list[str]:
    """Metrics, labels and values in a query that nobody exposes."""
    return [*_of(promql_parser.parse(expression))]


def _of(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield from _of_selector(node)
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
        yield from _unknown(node.modifier.labels)
    if isinstance(node, promql_parser.BinaryExpr) and node.modifier and node.modifier.matching:
        yield from _unknown(node.modifier.matching.labels)
    for name in ("expr", "lhs", "rhs", "vector_selector", "vs"):
        inner = getattr(node, name, None)
        if inner is not None and not isinstance(inner, str | int | float):
            yield from _of(inner)
    for inner in getattr(node, "args", None) or ():
        yield from _of(inner)


def _of_selector(node: Any) -> Iterator[str]:
    labels = _labels(node.name)
    if labels is None:
        yield f"there is no {node.name}"
        return
    for matcher in node.matchers.matchers:
        if matcher.name not in labels:
            yield f"{node.name} has no label {matcher.name}"
        for value in matcher.value.split("|"):
            if value not in _VALUES.get(matcher.name, {value}):
                yield f"{matcher.name} is never {value}"


def _labels(name: str) -> frozenset[str] | None:
    """Those of a series; None if there is no such series."""
    if name in _NOT_OURS:
        return TARGET
    if name in RECORDS:
        return frozenset(name.partition(":")[0].split("_"))
    for metric in EVERY:
        if metric.kind is not Kind.HISTOGRAM and name == metric.full_name:
            return TARGET | set(metric.labels)
        if metric.kind is Kind.HISTOGRAM and name == f"{metric.full_name}_bucket":
            return TARGET | {*metric.labels, "le"}
        if metric.kind is Kind.HISTOGRAM and name == f"{metric.full_name}_count":
            return TARGET | set(metric.labels)
    return None


def _unknown(labels: list[str]) -> Iterator[str]:
    known = TARGET | {"le"} | {label for metric in EVERY for label in metric.labels}
    for label in labels:
        if label not in known:
            yield f"no metric has the label {label}"


def named_after_what_it_is(record: str) -> bool:
    """`level:metric:operation`, the level being the labels that are left."""
    level, metric, operation = [*record.split(":"), "", ""][:3]
    by = set(level.split("_"))
    return (
        record.count(":") == 2
        and not [*_unknown(sorted(by))]
        and metric.startswith(PREFIX)
        and bool(operation)
    )
