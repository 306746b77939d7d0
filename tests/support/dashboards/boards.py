"""A whole dashboard: its variables, links and annotations, and its panels row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from support.dashboards.expressions import FIRING, selector
from support.dashboards.panels import DATASOURCE, Panel

TAG = "singletrack"
WIDTH = 24

#: After the port-forward that the chart's notes show; `singletrack up` has it there too.
API_ADDRESS = "http://127.0.0.1:8000"

#: What a link to another dashboard takes along.
KEPT = "${__url_time_range}&var-datasource=${datasource}&${namespace:queryparam}"

TASK_DETAIL = "singletrack-task-detail"
TASK_LINK = f"/d/{TASK_DETAIL}?{KEPT}&var-task=${{__value.raw:percentencode}}"
QUEUES = "singletrack-queues-and-workers"
QUEUE_LINK = f"/d/{QUEUES}?{KEPT}&var-queue=${{__value.raw:percentencode}}"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels of one topic, from left to right, `height` high; they wrap at the right edge."""

    title: str
    panels: Sequence[Panel]
    width: int = 8
    height: int = 8
    widths: Sequence[int] = ()
    """Of each panel, where they are not all the same."""


@dataclass(frozen=True, slots=True)
class Board:
    """What is particular to one dashboard."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[dict[str, Any]] = ()
    links: Sequence[dict[str, Any]] = field(default=())


def dashboard(board: Board) -> dict[str, Any]:
    """As Grafana reads it from a file."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "editable": False,
        "schemaVersion": 39,
        "version": 1,
        "timezone": "",
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "annotations": {"list": [_own_annotations(), _deployments(), _alerts()]},
        "links": [_other_boards(), *board.links],
        "templating": {"list": [_datasource(), _namespace(), *board.variables]},
        "panels": _placed(board.rows),
    }


def api_link(title: str, path: str, tooltip: str) -> dict[str, Any]:
    """A link to an endpoint of the API, in a new tab."""
    return {
        "type": "link",
        "title": title,
        "tooltip": tooltip,
        "url": f"${{api}}{path}",
        "icon": "external link",
        "targetBlank": True,
    }


def query_variable(name: str, label: str, series: str) -> dict[str, Any]:
    """The values of that label, of the chosen installations."""
    return _of_label(name, label, selector(series))


def text_variable(name: str, label: str, value: str, description: str) -> dict[str, Any]:
    """What only the reader knows."""
    chosen = {"selected": True, "text": value, "value": value}
    return {
        "type": "textbox",
        "name": name,
        "label": label,
        "description": description,
        "query": value,
        "current": chosen,
        "options": [chosen],
        "hide": 0,
    }


def api_variables() -> list[dict[str, Any]]:
    """Where the API is and which namespace to ask it about; no metric says either."""
    return [
        text_variable("api", "API", API_ADDRESS, "The address of the REST API, for the links."),
        text_variable(
            "run_namespace",
            "Namespace of runs",
            "default",
            "The namespace that runs and locks belong to, for the links to the API.",
        ),
    ]


def _datasource() -> dict[str, Any]:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "includeAll": False,
        "multi": False,
        "current": {},
        "options": [],
        "hide": 0,
    }


def _namespace() -> dict[str, Any]:
    found = _of_label("namespace", "Namespace", "singletrack_build_info")
    return found | {"description": "Where an installation is: the namespace of what is scraped."}


def _of_label(name: str, label: str, series: str) -> dict[str, Any]:
    """`All` matches what has no such label, too: outside Kubernetes nothing says `namespace`."""
    query = f"label_values({series}, {name})"
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "definition": query,
        "query": query,
        "regex": "",
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "hide": 0,
    }


def _own_annotations() -> dict[str, Any]:
    return {
        "name": "Annotations & Alerts",
        "type": "dashboard",
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
    }


def _deployments() -> dict[str, Any]:
    """A version that was not there before; `changes()` of what is always 1 sees nothing."""
    versions = f"max by (namespace, component, version) ({selector('build_info')})"
    before = f"max by (namespace, component, version) ({selector('build_info')} offset 5m)"
    return _annotation("Deployments", "blue", f"{versions} unless {before}") | {
        "titleFormat": "{{component}} {{version}}",
        "tagKeys": "namespace,component,version",
    }


def _alerts() -> dict[str, Any]:
    return _annotation("Alerts firing", "red", FIRING) | {
        "titleFormat": "{{alertname}}",
        "tagKeys": "severity,namespace,task,queue",
    }


def _annotation(name: str, colour: str, expression: str) -> dict[str, Any]:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": expression,
        "step": "60s",
        "useValueForTime": False,
    }


def _other_boards() -> dict[str, Any]:
    return {
        "type": "dashboards",
        "title": "Singletrack",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
    }


def _placed(rows: Sequence[Row]) -> list[Panel]:
    """All rows below one another, each under its heading, with ids in the order of reading."""
    placed: list[Panel] = []
    y = 0
    for row in rows:
        placed.append(_heading(row.title, y))
        y += 1
        x = 0
        widths = row.widths or [row.width] * len(row.panels)
        for panel, width in zip(row.panels, widths, strict=True):
            if x + width > WIDTH:
                x, y = 0, y + row.height
            placed.append(panel | {"gridPos": {"x": x, "y": y, "w": width, "h": row.height}})
            x += width
        y += row.height
    return [{"id": number, **panel} for number, panel in enumerate(placed, start=1)]


def _heading(title: str, y: int) -> Panel:
    place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": place}
