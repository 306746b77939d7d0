"""Panels of Grafana as plain dictionaries, in the classic model (schema version 39).

Where a panel stands and which id it has, the board decides that it is put on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

#: The version of Grafana whose options these are; a newer one migrates them.
PLUGIN_VERSION = "11.0.0"

#: The unit of a single number that is a count: written out, as 1,240, and without the fraction that
#: an increase has, which is an estimate. Along an axis it is `short`, as 1.24 K.
WHOLE = "locale"

#: Where the axis ends if nothing needs more: else it ends at 100, or 10000 %, where all is 0.
AXIS_ENDS: dict[str, dict[str, Any]] = {
    "percentunit": {"max": 1},
    "cpm": {"custom": {"axisSoftMax": 1}},
    "short": {"custom": {"axisSoftMax": 1}},
}

#: So many lines have room in a legend below them, with their latest and their largest value; more
#: stand in one at the right, with the latest.
ROOM_BELOW = 2

Panel = dict[str, Any]

#: Colours by meaning, the same on every dashboard.
GOOD, FAIR, BAD, PLAIN = "green", "orange", "red", "text"

OUTCOME_COLOURS = {
    "succeeded": "green",
    "failed": "red",
    "timed_out": "orange",
    "lost": "purple",
    "cancelled": "blue",
    "superseded": "light-blue",
    "expired": "yellow",
    "rejected": "semi-dark-orange",
    "skipped": "super-light-blue",
    "joined": "dark-blue",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the label that it shows, or the query that its numbers come from."""

    title: str
    source: str
    """The label's name, or the expression."""
    unit: str = ""
    """Of numbers; a column of a label has none."""
    link: str = ""
    width: int = 0
    """In pixels; the columns without one share the rest."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a panel says of itself."""

    title: str
    description: str


def lines(
    words: Words,
    unit: str,
    queries: Mapping[str, str],
    *,
    stacked: bool = False,
    colours: Mapping[str, str] | None = None,
) -> Panel:
    """Lines over time; `queries` maps the legend of each to its expression."""
    axis = AXIS_ENDS.get(unit, {})
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        **axis.get("custom", {}),
    }
    panel = _panel("timeseries", words, unit, **{"min": 0, **axis, "custom": custom})
    panel["fieldConfig"]["overrides"] = [_colour(*each) for each in (colours or {}).items()]
    panel["options"] = {
        "legend": {"showLegend": True, "displayMode": "table", **_legend(queries)},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    panel["targets"] = [
        _target(number, expression, legendFormat=legend, range=True, instant=False)
        for number, (legend, expression) in enumerate(queries.items())
    ]
    return panel


def stat(
    words: Words,
    unit: str,
    expression: str,
    *,
    thresholds: Sequence[tuple[float | None, str]] = ((None, PLAIN),),
    texts: Mapping[str, str] | None = None,
    legend: str = "",
) -> Panel:
    """A number as it is now, or one for each `legend`; `texts` puts a word in a number's place."""
    panel = _panel("stat", words, unit)
    defaults = panel["fieldConfig"]["defaults"]
    defaults |= {"decimals": 0} if unit == WHOLE else {}
    defaults["thresholds"] = {
        "mode": "absolute",
        "steps": [{"value": value, "color": colour} for value, colour in thresholds],
    }
    if texts:
        named = {number: {"text": text} for number, text in texts.items()}
        defaults["mappings"] = [{"type": "value", "options": named}]
    panel["options"] = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    shown = {"legendFormat": legend or words.title, "range": False, "instant": True}
    panel["targets"] = [_target(0, expression, **shown)]
    return panel


def table(words: Words, columns: Sequence[Column], *, sort: str) -> Panel:
    """A row for each set of labels, with the largest of the column `sort` first."""
    numbers = [column for column in columns if column.unit]
    panel = _panel("table", words, numbers[0].unit, custom={"align": "auto", "filterable": False})
    panel["targets"] = [
        _target(number, column.source, format="table", range=False, instant=True)
        for number, column in enumerate(numbers)
    ]
    refs = {
        column.title: f"Value #{_ref(number)}" if len(numbers) > 1 else "Value"
        for number, column in enumerate(numbers)
    }
    fields = {refs.get(column.title, column.source): column.title for column in columns}
    panel["transformations"] = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {field: place for place, field in enumerate(fields)},
                "renameByName": fields,
            },
        },
    ]
    panel["fieldConfig"]["overrides"] = [
        override for column in columns if (override := _column_override(column))
    ]
    panel["options"] = {"showHeader": True, "sortBy": [{"displayName": sort, "desc": True}]}
    return panel


def text(words: Words, markdown: str) -> Panel:
    """Words and links."""
    panel = _panel("text", words, "")
    panel["fieldConfig"] = {"defaults": {}, "overrides": []}
    panel["options"] = {"mode": "markdown", "content": markdown}
    return panel


def _panel(kind: str, words: Words, unit: str, **defaults: Any) -> Panel:
    return {
        "type": kind,
        "title": words.title,
        "description": words.description,
        "datasource": DATASOURCE,
        "pluginVersion": PLUGIN_VERSION,
        "fieldConfig": {
            "defaults": {"unit": unit, "color": {"mode": _colours_by(kind)}, **defaults},
            "overrides": [],
        },
    }


def _legend(queries: Mapping[str, str]) -> dict[str, Any]:
    if len(queries) > ROOM_BELOW or any("{{" in legend for legend in queries):
        return {"placement": "right", "calcs": ["lastNotNull"]}
    return {"placement": "bottom", "calcs": ["lastNotNull", "max"]}


def _colours_by(kind: str) -> str:
    return "palette-classic" if kind == "timeseries" else "thresholds"


def _target(number: int, expression: str, **more: Any) -> dict[str, Any]:
    return {
        "refId": _ref(number),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expression,
        **more,
    }


def _ref(number: int) -> str:
    return chr(ord("A") + number)


def _colour(legend: str, colour: str) -> dict[str, Any]:
    fixed = {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}
    return {"matcher": {"id": "byName", "options": legend}, "properties": [fixed]}


def _column_override(column: Column) -> dict[str, Any] | None:
    properties: list[dict[str, Any]] = []
    if column.unit == WHOLE:
        properties.append({"id": "decimals", "value": 0})
    if column.unit:
        properties.append({"id": "unit", "value": column.unit})
    if column.width:
        properties.append({"id": "custom.width", "value": column.width})
    if column.link:
        link = {"title": f"Open this {column.title.lower()}", "url": column.link}
        properties.append({"id": "links", "value": [link]})
    matcher = {"id": "byName", "options": column.title}
    return {"matcher": matcher, "properties": properties} if properties else None
