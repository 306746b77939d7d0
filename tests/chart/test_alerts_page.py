"""The page on alerts: its files are taken by whom they are for, its commands do what they show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from support.alert_rules import ALERTS, ROOT
from support.chart_pages import Page
from support.document import Reader, blocks
from support.prometheus import programs
from support.prometheus.programs import Programs
from support.rendered import Render, of_kind

PAGE = Page("alerts")


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    packaged = programs.find(programs.PACKAGED).folder
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    (tmp_path / "rules").mkdir()
    return Reader(tmp_path, {"PATH": f"{packaged}:/usr/bin:/bin", "LANG": "C.UTF-8"})


def test_its_values_are_the_charts(render: Render) -> None:
    monitoring, mine = (PAGE.values[name] for name in ("monitoring.yaml", "my-alerts.yaml"))
    monitoring["metrics"]["prometheusRule"] |= mine["metrics"]["prometheusRule"]
    [rule] = of_kind(render(**monitoring), "PrometheusRule")
    rules = {each.get("alert"): each for group in rule["spec"]["groups"] for each in group["rules"]}
    assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert rules["SingletrackRunsLost"]["labels"] == {"severity": "info"}
    assert rules["SingletrackWaitsLong"]["for"] == "30m"
    assert "SingletrackPausedLong" not in rules


def test_the_plain_files_are_loaded_as_it_says(reader: Reader, tmp_path: Path) -> None:
    with reader:
        for block in blocks(PAGE.text):
            if "file" in block.options or "promtool" in block.text:
                reader.follow(block)
        assert reader.run("promtool check config prometheus.yaml > checked && echo ok") == "ok"
        said = (tmp_path / "checked").read_text()
    assert "7 rule files" in said
    for file in (tmp_path / "rules").glob("*.yaml"):
        assert "singletrack.dev" not in file.read_text()
        assert "example.com" not in file.read_text()


def test_promtool_takes_the_changed_alerts(
    render: Render, prometheus: Programs, tmp_path: Path
) -> None:
    own = PAGE.values["my-alerts.yaml"]["metrics"]["prometheusRule"]
    [rule] = of_kind(render(metrics={"prometheusRule": {"enabled": True, **own}}), "PrometheusRule")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    assert prometheus.complaint("check", "rules", tmp_path / "rules.yaml") == ""


def test_every_alert_it_names_is_there() -> None:
    named = set(re.findall(r"Singletrack[A-Z]\w+", PAGE.text))
    assert len(named) > 10
    assert named <= set(ALERTS)
