"""What Prometheus answers to every query of a dashboard, as Grafana would ask it.

A line is asked for over the time that is shown, everything else for its end. A page draws the
dashboards from these answers, as Prometheus gives them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from support.dashboards.queries import Query, queries
from support.prometheus.server import SCRAPE_SECONDS, Prometheus

#: A rate looks back by this: what Grafana takes where the data source is scraped each 7.5 s.
RATE_SECONDS = 30

Answers = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """The time that is shown, in seconds of the clock."""

    begin: int
    end: int

    def variables(self) -> dict[str, str]:
        """Grafana's own, for a step as short as one scrape."""
        return {
            "__range": f"{self.end - self.begin}s",
            "__interval": f"{SCRAPE_SECONDS}s",
            "__rate_interval": f"{RATE_SECONDS}s",
        }


def of_dashboard(prometheus: Prometheus, dashboard: Mapping[str, Any], shown: Shown) -> Answers:
    """By the panel's title and the query's letter, with the time that they are for."""
    found: dict[str, dict[str, Any]] = {}
    for query in panel_queries(dashboard, shown):
        found.setdefault(query.title, {})[query.ref] = _asked(prometheus, query, shown)
    times = {"begin": shown.begin, "end": shown.end, "step": SCRAPE_SECONDS}
    return {**times, "answers": found}


def panel_queries(dashboard: Mapping[str, Any], shown: Shown) -> list[Query]:
    return [each for each in queries(dashboard, **shown.variables()) if each.kind == "panel"]


def unanswered(answers: Answers) -> list[str]:
    """The queries that leave nothing to be seen: a number without one, a line without two."""
    return [
        f"{title} {ref}"
        for title, by_ref in answers["answers"].items()
        for ref, answer in by_ref.items()
        if not any(_can_be_seen(answer["resultType"], each) for each in answer["result"])
    ]


def _asked(prometheus: Prometheus, query: Query, shown: Shown) -> dict[str, Any]:
    if query.instant:
        return prometheus.ask("query", query=query.expression, time=str(shown.end))
    times = {"start": str(shown.begin), "end": str(shown.end), "step": str(SCRAPE_SECONDS)}
    return prometheus.ask("query_range", query=query.expression, **times)


def _can_be_seen(kind: str, series: Mapping[str, Any]) -> bool:
    least = 2 if kind == "matrix" else 1
    return sum(math.isfinite(number) for number in _numbers(series)) >= least


def _numbers(series: Mapping[str, Any]) -> Iterator[float]:
    points = series["values"] if "values" in series else [series["value"]]
    yield from (float(number) for _, number in points)
