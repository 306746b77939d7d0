"""The dashboards: what is shipped is right to the declarations, and a wrong panel is caught."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from support import helm as helms
from support.chart_pages import Page
from support.dashboards import coverage, rules
from support.dashboards.__main__ import FOLDER, stale
from support.dashboards.lint import findings
from support.dashboards.queries import panels, queries
from support.dashboards.wrong_panels import OTHERS, USUAL, Wrong
from support.helm import CHART
from support.rendered import Objects, Render, of_kind

FILES = sorted(FOLDER.glob("*.json"))
Dashboard = dict[str, Any]
LEDGER = {"redis": {"existingSecret": "ledger"}}


@pytest.fixture(params=FILES, ids=[file.stem for file in FILES])
def dashboard(request: pytest.FixtureRequest) -> Dashboard:
    return json.loads(request.param.read_text())


def test_there_are_the_four_that_the_code_builds() -> None:
    assert {file.stem for file in FILES} == {
        "overview",
        "task-detail",
        "queues-and-workers",
        "operator-and-api",
    }
    assert stale() == []


def test_each_keeps_every_rule(dashboard: Dashboard) -> None:
    assert [str(finding) for finding in findings(dashboard)] == []


def test_every_metric_is_in_a_panel_or_a_rule_or_there_is_a_reason() -> None:
    everything = [json.loads(file.read_text()) for file in FILES]
    assert coverage.unseen(everything) == set(coverage.EXEMPT)


def test_a_metric_that_no_panel_shows_any_more_is_missed(tmp_path) -> None:
    everything = [json.loads(file.read_text()) for file in FILES]
    for each in everything:
        each["panels"] = [
            panel for panel in each["panels"] if "retries_total" not in json.dumps(panel)
        ]
    assert coverage.unseen(everything, tmp_path) == {"retries_total"}
    (tmp_path / "rules.yaml").write_text(
        "groups: [{name: a, rules: [{alert: B, expr: 'rate(singletrack_retries_total[5m]) > 1'}]}]"
    )
    assert coverage.unseen(everything, tmp_path) == set()


def test_rules_name_what_is_declared(tmp_path) -> None:
    assert rules.findings() == []
    (tmp_path / "rules.yaml").write_text(
        "groups: [{name: a, rules: [{alert: B, expr: 'singletrack_runs{state=\"WAITING\"} > 9'}]}]"
    )
    assert rules.findings(tmp_path) == ["B: state is never WAITING"]


def uncaught(dashboard: Dashboard, wrong: Wrong) -> tuple[int, list[str]]:
    """In how many panels of a copy it was planted, and those for which no finding says so."""
    planted = copy.deepcopy(dashboard)
    titles = [panel["title"] for panel in planted["panels"] if wrong.plant(panel)]
    named = {each.where for each in findings(planted) if re.search(wrong.reason, each.reason)}
    return len(titles), [title for title in titles if title not in named]


@pytest.mark.parametrize("name", USUAL)
def test_a_panel_that_is_wrong_as_panels_are_is_caught_on_each_dashboard(
    dashboard: Dashboard, name: str
) -> None:
    planted, missed = uncaught(dashboard, USUAL[name])
    assert planted > 0
    assert missed == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_panel_that_is_wrong_in_another_way_is_caught_wherever_there_can_be_one(
    name: str,
) -> None:
    found = [uncaught(json.loads(file.read_text()), OTHERS[name]) for file in FILES]
    assert sum(planted for planted, _ in found) > 0
    assert [title for _, missed in found for title in missed] == []


def spoil_an_annotation(dashboard: Dashboard) -> None:
    dashboard["annotations"]["list"][1]["expr"] = "singletrack_builds"


def spoil_a_variable(dashboard: Dashboard) -> None:
    dashboard["templating"]["list"][1]["query"] = "label_values(singletrack_builds, namespace)"


WRONG_DASHBOARDS: dict[str, Callable[[Dashboard], object]] = {
    "it can be edited": lambda board: board.update(editable=True),
    "do not say whose it is": lambda board: board.update(tags=[]),
    "its schema version is 36": lambda board: board.update(schemaVersion=36),
    "no drop-down": lambda board: board.update(links=[]),
    "lacks the annotations Alerts firing": lambda board: board["annotations"]["list"].pop(),
    "the id 2 is there 2 times": lambda board: board["panels"][2].update(id=2),
    "the title X is there 2 times": lambda board: [
        board["panels"][number].update(title="X") for number in (1, 2)
    ],
    "it lies over": lambda board: board["panels"][2].update(gridPos=board["panels"][1]["gridPos"]),
    "not within the dashboard's width": lambda board: board["panels"][1]["gridPos"].update(x=23),
    "its first variables are not": lambda board: board["templating"]["list"].pop(0),
    "not asked for again": lambda board: board["templating"]["list"][1].update(refresh=1),
    "All leaves out": lambda board: board["templating"]["list"][1].update(allValue=None),
    "it has no label": lambda board: board["templating"]["list"][0].update(label=""),
    "Deployments: there is no metric singletrack_builds": spoil_an_annotation,
    "namespace: there is no metric singletrack_builds": spoil_a_variable,
}


@pytest.mark.parametrize("reason", WRONG_DASHBOARDS)
def test_a_dashboard_that_is_wrong_as_a_whole_is_caught(dashboard: Dashboard, reason: str) -> None:
    WRONG_DASHBOARDS[reason](dashboard)
    assert any(reason in str(finding) for finding in findings(dashboard))


def test_every_query_can_be_asked_with_its_variables_replaced(dashboard: Dashboard) -> None:
    found = queries(dashboard, task="report", __range="5m")
    assert not [query for query in found if "$" in query.expression]
    assert {query.kind for query in found} == {"panel", "variable", "annotation"}
    titles = {panel["title"] for panel in panels(dashboard) if panel["type"] != "text"}
    assert {query.title for query in found if query.kind == "panel"} == titles


def test_a_link_leads_to_a_dashboard_that_there_is(dashboard: Dashboard) -> None:
    uids = {json.loads(file.read_text())["uid"] for file in FILES}
    assert set(re.findall(r"/d/([\w-]+)", json.dumps(dashboard))) <= uids


def config_maps(objects: Objects) -> Objects:
    return [
        each for each in of_kind(objects, "ConfigMap") if "-dashboard-" in each["metadata"]["name"]
    ]


def test_the_chart_ships_them_letter_by_letter_and_only_if_asked(render: Render) -> None:
    assert config_maps(render()) == []
    shipped = {
        name: text
        for each in config_maps(render(dashboards={"enabled": True}))
        for name, text in each["data"].items()
    }
    assert shipped == {f"singletrack-{file.name}": file.read_text() for file in FILES}


def test_each_has_a_config_map_with_what_the_sidecar_looks_for(render: Render) -> None:
    found = config_maps(
        render(
            dashboards={
                "enabled": True,
                "label": "boards",
                "labelValue": "yes",
                "annotations": {"grafana_folder": "Tasks"},
            }
        )
    )
    assert len(found) == len(FILES)
    for each in found:
        assert each["metadata"]["labels"]["boards"] == "yes"
        assert each["metadata"]["annotations"] == {"grafana_folder": "Tasks"}
        assert len(each["data"]) == 1


def test_the_notes_say_where_the_sidecar_has_to_search() -> None:
    said = helms.find(4).run(  # Helm 3 asks a cluster even then
        *("install", "rel", str(CHART), "--dry-run=client", "--namespace=tasks"),
        *("--set=redis.existingSecret=x", "--set=dashboards.enabled=true"),
    )
    assert "grafana_dashboard=1" in said
    assert "search\nnamespace tasks:" in said


def test_the_page_on_them_names_each_and_says_what_the_chart_takes() -> None:
    page = Page("dashboards")
    titles = {json.loads(file.read_text())["title"] for file in FILES}
    assert set(re.findall(r"^\| (Singletrack / [^|]+) \|", page.text, re.MULTILINE)) == titles
    objects = helms.find(4).render(**LEDGER, **page.values["dashboards.yaml"])
    [monitor] = of_kind(objects, "PodMonitor")
    assert monitor["spec"]["podMetricsEndpoints"]
    for each in config_maps(objects):
        assert each["metadata"]["annotations"] == {"grafana_folder": "Singletrack"}
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
