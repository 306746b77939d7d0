"""The queries of the dashboards, as Grafana sends them when everything is chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.helm import CHART

FOLDER = CHART / "dashboards"

#: How far back a graph looks, and how long the time is that is shown.
WINDOW_SECONDS = 300

_MACROS = {
    "__rate_interval": f"{WINDOW_SECONDS}s",
    "__range": f"{WINDOW_SECONDS}s",
    "__interval": "1s",
}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
_VALUES_OF = re.compile(r"label_values\((?P<selector>.+), *(?P<label>\w+)\)$")


@dataclass(frozen=True, slots=True)
class Query:
    """One query, and where it stands."""

    board: str
    place: str
    """The panel's title and the letter of the query, the variable, or the annotation."""
    expression: str

    def __str__(self) -> str:
        return f"{self.board}: {self.place}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a variable lets one choose from: the values of a label."""

    board: str
    name: str
    label: str
    selector: str

    def __str__(self) -> str:
        return f"{self.board}: ${self.name}"


def boards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in files()]


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


def panel_queries() -> list[Query]:
    return [
        Query(board["uid"], f"{panel['title']}, {target['refId']}", _filled(target["expr"], board))
        for board in boards()
        for panel in _panels(board)
        for target in panel.get("targets", [])
    ]


def annotation_queries() -> list[Query]:
    return [
        Query(board["uid"], each["name"], _filled(each["expr"], board))
        for board in boards()
        for each in board["annotations"]["list"]
        if "expr" in each
    ]


def choices() -> list[Choice]:
    found = []
    for board in boards():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                query = variable["query"]
                match = _VALUES_OF.match(query if isinstance(query, str) else query["query"])
                assert match, f"{board['uid']}: ${variable['name']} asks for no label's values"
                selector = _filled(match["selector"], board)
                found.append(Choice(board["uid"], variable["name"], match["label"], selector))
    return found


def _panels(holder: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those of rows that are folded included."""
    for panel in holder.get("panels", []):
        yield panel
        yield from _panels(panel)


def _filled(expression: str, board: Mapping[str, Any]) -> str:
    known = _MACROS | {
        variable["name"]: variable.get("allValue") or ".*"
        for variable in board["templating"]["list"]
        if variable["type"] == "query"
    }

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        assert name in known, f"{board['uid']}: ${name} is no variable, in {expression}"
        return known[name]

    return _VARIABLE.sub(value, expression)
