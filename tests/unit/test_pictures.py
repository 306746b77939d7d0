"""The pictures of the dashboards: what is asked for them, and that each is there to be seen."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from support.dashboards.__main__ import FOLDER
from support.pictures import answers, drawing
from support.pictures.__main__ import PICTURES
from support.pictures.answers import Shown

DASHBOARDS = sorted(FOLDER.glob("*.json"))
DOCS = PICTURES.parent
LARGEST = 400_000


class Recorder:
    """Answers everything with nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    def ask(self, path: str, **query: str) -> dict[str, Any]:
        self.asked.append((path, query))
        return {"resultType": "vector", "result": []}


def panel(title: str, **target: Any) -> dict[str, Any]:
    return {"type": "stat", "title": title, "targets": [{"refId": "A", **target}]}


def board(*panels: dict[str, Any]) -> dict[str, Any]:
    return {"panels": panels, "templating": {"list": []}, "annotations": {"list": []}}


def test_lines_are_asked_for_over_the_time_and_numbers_for_its_end() -> None:
    recorder = Recorder()
    both = board(panel("line", expr="up"), panel("number", expr="up", instant=True))
    answers.of_dashboard(recorder, both, Shown(100, 400))
    assert recorder.asked == [
        ("query_range", {"query": "up", "start": "100", "end": "400", "step": "1"}),
        ("query", {"query": "up", "time": "400"}),
    ]


def test_the_variables_of_grafana_are_those_of_the_time() -> None:
    asked = panel("number", expr="increase(up[$__range:$__interval]) + rate(up[$__rate_interval])")
    [query] = answers.panel_queries(board(asked), Shown(100, 400))
    assert query.expression == "increase(up[300s:1s]) + rate(up[30s])"


@pytest.mark.parametrize(
    ("kind", "series"),
    [
        ("vector", []),
        ("vector", [{"value": [1, "NaN"]}]),
        ("matrix", [{"values": [[1, "5"], [2, "NaN"]]}, {"values": [[2, "5"]]}]),
    ],
    ids=["nothing", "no number", "points that are no line"],
)
def test_a_query_that_leaves_nothing_to_be_seen_is_named(kind: str, series: list[Any]) -> None:
    seen = {"resultType": "matrix", "result": [{"values": [[1, "5"], [2, "5"]]}]}
    found = {"Runs": {"A": seen, "B": {"resultType": kind, "result": series}}}
    assert answers.unanswered({"answers": found}) == ["Runs B"]


def test_the_page_can_draw_every_type_of_panel_there_is() -> None:
    shown = {each["type"] for file in DASHBOARDS for each in json.loads(file.read_text())["panels"]}
    assert shown == {file.stem for file in (drawing.PAGE / "src" / "panels").glob("*.tsx")}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_dashboard_has_its_picture_on_the_page_about_them(dashboard: Path) -> None:
    picture = PICTURES / f"{dashboard.stem}.png"
    assert f"](../pictures/{picture.name})" in (DOCS / "how-to" / "dashboards.md").read_text()
    data = picture.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height > width) == (1600, True)
    assert len(data) < LARGEST


def test_there_is_no_picture_of_a_dashboard_that_is_none() -> None:
    assert {path.stem for path in PICTURES.iterdir()} == {path.stem for path in DASHBOARDS}


def test_the_lock_of_the_packages_names_no_registry() -> None:
    lock = (drawing.PAGE / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock


def test_what_is_missing_is_said_with_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(drawing.ToolMissing, match="from nodejs"):
        drawing.find(str(tmp_path))
    for name in ("npm", "node"):
        (tmp_path / name).touch(mode=0o755)
    with pytest.raises(drawing.ToolMissing, match="apt-get install"):
        drawing.find(str(tmp_path))
    (tmp_path / "chromium").touch(mode=0o755)
    assert drawing.find(str(tmp_path)).browser == str(tmp_path / "chromium")
