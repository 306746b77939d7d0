"""Every query of a dashboard, as Grafana would send it: for the lint, and for a real Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from support.dashboards.promql import substituted

#: As a dashboard opens: everything, the last hour, scraped each 15 seconds.
OPENED = {
    "namespace": ".*",
    "queue": ".*",
    "task": ".*",
    "__rate_interval": "1m",
    "__range": "1h",
    "__interval": "15s",
}

_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


@dataclass(frozen=True, slots=True)
class Query:
    """One query, with where it stands."""

    kind: str
    """`panel`, `variable` or `annotation`."""
    title: str
    """The panel's, or the name of the variable or annotation."""
    expression: str
    instant: bool = True
    """Asked for one moment; else for a range."""
    legend: str = ""
    ref: str = ""
    """Which of the panel's queries it is."""
    label: str = ""
    """Whose values a variable asks for; the expression is then the selector."""


def raw_queries(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """The queries with Grafana's variables in them."""
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            yield Query(
                "panel",
                panel["title"],
                target["expr"],
                instant=bool(target.get("instant")),
                legend=target.get("legendFormat", ""),
                ref=target["refId"],
            )
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = _LABEL_VALUES.fullmatch(variable["query"])
            assert found, f"{variable['name']} asks for something else than label_values"
            yield Query("variable", variable["name"], found["selector"], label=found["label"])
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            yield Query("annotation", annotation["name"], annotation["expr"], instant=False)


def queries(dashboard: Mapping[str, Any], **values: str) -> list[Query]:
    """All of them with the variables replaced: `queries(overview, task="report", __range="5m")`."""
    chosen = {f"${name}": value for name, value in (OPENED | values).items()}
    return [
        replace(query, expression=substituted(query.expression, chosen))
        for query in raw_queries(dashboard)
    ]


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Those that show something, also where a collapsed row holds them."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel
