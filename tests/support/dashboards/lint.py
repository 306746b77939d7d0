"""The rules that a dashboard keeps: Grafana's own linter's, and those of the declarations.

It follows the rules of `grafana/dashboard-linter`, with two exceptions. There are no variables for
`job` and `instance`: `namespace` chooses an installation, whose targets all belong together. And an
increase may be asked for over the whole time that is shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import promql_parser as ast
from support.dashboards import contract, promql, units
from support.dashboards.queries import Query, panels, raw_queries

#: Panels that ask nothing.
WITHOUT_QUERIES = frozenset({"text"})

CHOSEN_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

#: What a query may look back by.
_WINDOWS = {
    "rate": {promql.RATE_INTERVAL},
    "irate": {promql.RATE_INTERVAL},
    "increase": {promql.RATE_INTERVAL, promql.RANGE},
}
_VARIABLE = re.compile(r"\$\{?(\w+)")
_LEGEND_LABEL = re.compile(r"{{\s*(\w+)\s*}}")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and with which panel, variable or annotation."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


def findings(dashboard: Mapping[str, Any]) -> list[Finding]:
    """Everything that is wrong with a dashboard."""
    return [
        *(Finding("dashboard", reason) for reason in _of_dashboard(dashboard)),
        *_of_places(dashboard),
        *(Finding(p["title"], reason) for p in panels(dashboard) for reason in _of_panel(p)),
        *_of_variables(dashboard),
        *_of_queries(dashboard),
    ]


def _of_dashboard(dashboard: Mapping[str, Any]) -> Iterator[str]:
    if dashboard["editable"]:
        yield "it can be edited, and the next upgrade takes the changes away"
    if not dashboard["uid"].startswith("singletrack-") or "singletrack" not in dashboard["tags"]:
        yield "its uid or its tags do not say whose it is"
    if not 39 <= dashboard["schemaVersion"] <= 41:
        yield f"its schema version is {dashboard['schemaVersion']}, not 39 to 41"
    if not any(link["type"] == "dashboards" and link["asDropdown"] for link in dashboard["links"]):
        yield "it has no drop-down of the other dashboards"
    names = {each["name"] for each in dashboard["annotations"]["list"]}
    if missing := {"Deployments", "Alerts firing"} - names:
        yield f"it lacks the annotations {', '.join(sorted(missing))}"


def _of_places(dashboard: Mapping[str, Any]) -> Iterator[Finding]:
    every = dashboard["panels"]
    for key, what in (("id", "the id"), ("title", "the title")):
        for value, times in Counter(panel[key] for panel in every).items():
            if times > 1:
                yield Finding("dashboard", f"{what} {value} is there {times} times")
    for panel in every:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > 24 or place["h"] < 1:
            yield Finding(panel["title"], "it is not within the dashboard's width")
    for one, other in combinations(every, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield Finding(other["title"], f"it lies over {one['title']}")


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return all(
        one[side] < other[side] + other[length] and other[side] < one[side] + one[length]
        for side, length in (("x", "w"), ("y", "h"))
    )


def _of_panel(panel: Mapping[str, Any]) -> Iterator[str]:
    if not panel.get("title") or not panel.get("description"):
        yield "it has no title or no description"
    targets = panel.get("targets", [])
    if panel["type"] in WITHOUT_QUERIES:
        return
    if not targets:
        yield "it asks nothing"
    if any(asked.get("datasource") != CHOSEN_DATASOURCE for asked in (panel, *targets)):
        yield "its datasource is not the chosen one"
    refs = [target["refId"] for target in targets]
    if len(set(refs)) < len(refs):
        yield "two of its queries have the same letter"
    for unit in sorted({_unit(panel, ref) for ref in refs} - units.VALID):
        yield f"its unit {unit!r} is none that is used here"


def _unit(panel: Mapping[str, Any], ref: str) -> str:
    """That of a query: its column's in a table, else the panel's."""
    fields = panel["fieldConfig"]
    column = _columns(panel).get(f"Value #{ref}" if len(panel["targets"]) > 1 else "Value")
    for override in fields["overrides"]:
        if column and override["matcher"] == {"id": "byName", "options": column}:
            found = [each["value"] for each in override["properties"] if each["id"] == "unit"]
            return str(found[0]) if found else ""
    return str(fields["defaults"].get("unit", ""))


def _columns(panel: Mapping[str, Any]) -> dict[str, str]:
    """The titles of a table's columns by their fields."""
    return {
        source: title
        for each in panel.get("transformations", [])
        for source, title in each["options"].get("renameByName", {}).items()
    }


def _of_variables(dashboard: Mapping[str, Any]) -> Iterator[Finding]:
    variables = dashboard["templating"]["list"]
    if [each["name"] for each in variables[:2]] != ["datasource", "namespace"]:
        yield Finding("dashboard", "its first variables are not datasource and namespace")
    for variable in variables:
        if not variable.get("label"):
            yield Finding(variable["name"], "it has no label")
        if variable["type"] == "query" and variable["refresh"] != 2:
            yield Finding(variable["name"], "it is not asked for again when the time changes")
        if variable["type"] == "query" and variable.get("allValue") != ".*":
            yield Finding(variable["name"], "All leaves out what has no such label")


def _of_queries(dashboard: Mapping[str, Any]) -> Iterator[Finding]:
    known = {each["name"] for each in dashboard["templating"]["list"]}
    by_title = {panel["title"]: panel for panel in panels(dashboard)}
    for query in raw_queries(dashboard):
        try:
            tree = promql.parsed(query.expression)
        except ValueError as error:
            yield Finding(query.title, f"it is no PromQL: {error}")
            continue
        reasons = [*_of_tree(query, tree), *_of_chosen(query, tree, known)]
        if query.kind == "panel":
            reasons += _of_shown(query, tree, by_title[query.title])
        yield from (Finding(query.title, reason) for reason in reasons)


def _of_tree(query: Query, tree: Any) -> Iterator[str]:
    if query.kind == "variable":
        for selector, _ in promql.selectors(tree):
            yield from contract.name_complaints(selector)
            if query.label not in (promql.labels(selector) or {query.label}):
                yield f"{selector.name} has no label {query.label}"
        return
    yield from contract.complaints(tree)
    for node, _ in promql.walk(tree):
        if promql.called(node) in _WINDOWS:
            window = promql.bare(node.args[0]).range
            if window not in _WINDOWS[promql.called(node)]:
                yield f"{promql.called(node)} looks back by another time than $__rate_interval"
            if window == promql.RANGE and not query.instant:
                yield "a line shows the increase over the whole time, at each of its points"


def _of_chosen(query: Query, tree: Any, known: set[str]) -> Iterator[str]:
    """The variables are there, and the namespace is chosen wherever there is one."""
    used = set(_VARIABLE.findall(query.expression))
    for name in sorted(used - known):
        if not name.startswith("__"):
            yield f"there is no variable {name}"
    if query.title == "namespace":
        return
    for selector, _ in promql.selectors(tree):
        chosen = promql.matchers(selector).get("namespace")
        if selector.name != "ALERTS" and (
            chosen is None or (chosen.op, chosen.value) != (ast.MatchOp.Re, "$namespace")
        ):
            yield f"{selector.name} is not asked for in the chosen namespace"


def _of_shown(query: Query, tree: Any, panel: Mapping[str, Any]) -> Iterator[str]:
    """What the panel says of the result: its unit, its legend, its columns."""
    try:
        unit = units.unit_of(tree)
    except ValueError as error:
        yield str(error)
    else:
        shown = _unit(panel, query.ref)
        if unit != units.ANY and shown not in units.NAMES[unit]:
            yield f"it shows {unit} with the unit {shown!r}"
    there = promql.labels(tree)
    columns = {field for field in _columns(panel) if not field.startswith("Value")}
    for label in sorted(columns | set(_LEGEND_LABEL.findall(query.legend))):
        if there is not None and label not in there:
            yield f"it names the label {label}, which the result does not have"
