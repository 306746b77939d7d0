"""Every declared metric is looked at: by a panel, by a rule, or there is a reason why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.dashboards import promql
from support.dashboards.expressions import declared
from support.dashboards.queries import raw_queries
from support.dashboards.rules import FOLDER, rules

from singletrack.metrics.declarations import EVERY

#: Metrics that no panel and no rule looks at, with the reason.
EXEMPT: dict[str, str] = {}


def unseen(dashboards: list[dict[str, Any]], folder: Path = FOLDER) -> set[str]:
    """The metrics, by their names without the prefix, that nothing looks at."""
    expressions = [
        query.expression
        for dashboard in dashboards
        for query in raw_queries(dashboard)
        if query.kind == "panel"
    ]
    seen = set(_names([*expressions, *(expression for _, expression in rules(folder))]))
    return {metric.name for metric in EVERY if metric.name not in seen}


def _names(expressions: list[str]) -> Iterator[str]:
    for expression in expressions:
        for selector, _ in promql.selectors(promql.parsed(expression)):
            name = str(selector.name or "").removeprefix("singletrack_")
            try:
                yield declared(name).name
            except KeyError:
                continue
