"""The rules as the chart gives them: those of the files, with one's own addresses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.alert_rules import ALERTS, FILES, groups
from support.helm import HelmError
from support.prometheus.programs import Programs
from support.rendered import Objects, Render, of_kind

HERE = {"grafana": "https://grafana.example.com"}


def spec(render: Render, **values: Any) -> dict[str, Any]:
    [found] = of_kind(
        render(metrics={"prometheusRule": {"enabled": True, **values}}), "PrometheusRule"
    )
    return found["spec"]


def alerts(given: dict[str, Any]) -> dict[str, Any]:
    rules = [rule for group in given["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule for rule in rules if "alert" in rule}


def test_the_rules_are_those_of_the_files_word_by_word(render: Render) -> None:
    assert spec(render, **HERE)["groups"] == [group for file in FILES for group in groups(file)]


def test_there_are_none_unless_one_asks_for_them(render: Render) -> None:
    assert of_kind(render(), "PrometheusRule") == []


def test_promtool_takes_what_the_chart_gives(
    render: Render, prometheus: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(spec(render)))
    assert prometheus.complaint("check", "rules", file) == ""


def test_ones_own_labels_come_beside_the_usual_ones_and_before_them(render: Render) -> None:
    own = {"release": "monitoring", "team": "night"}
    objects: Objects = render(
        commonLabels={"team": "day"},
        metrics={"prometheusRule": {"enabled": True, "labels": own}},
    )
    [found] = of_kind(objects, "PrometheusRule")
    assert own.items() <= found["metadata"]["labels"].items()
    assert found["metadata"]["labels"]["app.kubernetes.io/name"] == "singletrack"


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_links_lead_to_ones_own_runbooks_and_grafana(render: Render, slash: str) -> None:
    own = {"runbooks": f"https://wiki/r{slash}", "grafana": f"http://monitoring/grafana{slash}"}
    for name, alert in alerts(spec(render, **own)).items():
        notes = alert["annotations"]
        page = ALERTS[name]["annotations"]["runbook_url"].rpartition("/")[2]
        assert notes["runbook_url"] == f"https://wiki/r/{page}"
        assert re.match(
            r"http://monitoring/grafana/d/singletrack-[a-z-]+\?", notes["dashboard_url"]
        )


def test_without_a_grafana_no_alert_links_to_one(render: Render) -> None:
    given = alerts(spec(render))
    assert set(given) == set(ALERTS)
    assert not any("dashboard_url" in alert["annotations"] for alert in given.values())


def test_an_alert_takes_what_one_says_of_it_and_the_others_stay(render: Render) -> None:
    changes = {
        "SingletrackWaitsLong": {"expr": "a > 1", "for": "30m", "severity": "info"},
        "SingletrackPausedLong": {"enabled": False},
        "SingletrackRunsLost": {"enabled": True, "for": "1m"},
    }
    given = alerts(spec(render, **HERE, alerts=changes))
    waits = given.pop("SingletrackWaitsLong")
    assert (waits["expr"], waits["for"], waits["labels"]) == ("a > 1", "30m", {"severity": "info"})
    assert waits["annotations"] == ALERTS["SingletrackWaitsLong"]["annotations"]
    assert given.pop("SingletrackRunsLost") == ALERTS["SingletrackRunsLost"] | {"for": "1m"}
    assert given == {name: ALERTS[name] for name in set(ALERTS) - set(changes)}


def test_an_alert_that_is_misspelt_is_refused_with_its_name(render: Render) -> None:
    with pytest.raises(HelmError, match="SingletrackWaitLong: there is no such alert"):
        spec(render, alerts={"SingletrackWaitLong": {"enabled": False}})


@pytest.mark.parametrize("said", [{"for": "soon"}, {"severity": ""}, {"threshold": 3}])
def test_what_cannot_be_said_of_an_alert_is_refused(render: Render, said: dict[str, Any]) -> None:
    with pytest.raises(HelmError, match=next(iter(said))):
        spec(render, alerts={"SingletrackWaitsLong": said})
