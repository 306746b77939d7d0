"""Each alert fires when it should, is quiet when it should be, and says what it has seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.alert_rules import (
    ALERTS,
    CASES,
    CHART,
    FILES,
    RECORDS,
    RULES,
    cases,
    complaints,
    groups,
    named_after_what_it_is,
)
from support.prometheus.programs import Programs

GRAFANA = "https://grafana.example.com/d/"
DASHBOARDS = {json.loads(file.read_text())["uid"] for file in (CHART / "dashboards").glob("*.json")}


def test_promtool_takes_the_rules(prometheus: Programs) -> None:
    assert prometheus.complaint("check", "rules", *FILES) == ""


def test_promtool_says_what_is_wrong_with_a_rule(prometheus: Programs, tmp_path: Path) -> None:
    spoilt = tmp_path / "rules.yaml"
    spoilt.write_text(FILES[0].read_text().replace("for: ", "for: some ", 1))
    assert "some" in prometheus.complaint("check", "rules", spoilt)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("file", CASES, ids=[file.stem for file in CASES])
def test_the_rules_do_what_their_cases_say(prometheus: Programs, file: Path) -> None:
    assert prometheus.complaint("test", "rules", file) == ""


@pytest.mark.parametrize("file", CASES, ids=[file.stem for file in CASES])
def test_the_cases_evaluate_recording_rules_before_what_asks_for_them(file: Path) -> None:
    case = yaml.safe_load(file.read_text())
    read = [(file.parent / name).resolve() for name in case["rule_files"]]
    assert read[0] == CHART / "alerts" / "recording.yaml"
    assert case["group_eval_order"] == [each["name"] for path in read for each in groups(path)]


def test_each_alert_is_seen_to_fire_and_to_be_quiet() -> None:
    assert len(ALERTS) >= 15
    assert cases(firing=True) == set(ALERTS)
    assert cases(firing=False) == set(ALERTS)


def test_no_two_rules_have_one_name() -> None:
    assert len(ALERTS) + len(RECORDS) == len(RULES)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_what_it_has_seen_and_where_to_look(name: str) -> None:
    alert = ALERTS[name]
    assert name.startswith("Singletrack")
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "dashboard_url", "runbook_url"}
    assert "{{" not in notes["summary"]
    assert "{{ $labels.namespace }}" in notes["description"].replace("with $", "$")
    dashboard, _, variables = notes["dashboard_url"].removeprefix(GRAFANA).partition("?")
    assert dashboard in DASHBOARDS
    assert variables.startswith("var-namespace={{ $labels.namespace }}")


@pytest.mark.parametrize("name", [*ALERTS, *RECORDS])
def test_a_rule_asks_only_for_what_is_there(name: str) -> None:
    assert complaints((ALERTS | RECORDS)[name]["expr"]) == []


@pytest.mark.parametrize("name", RECORDS)
def test_a_recording_rule_is_named_after_what_is_left_and_what_was_done(name: str) -> None:
    assert named_after_what_it_is(name)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("sum(rate(singletrack_run_lost_total[5m]))", "there is no singletrack_run_lost_total"),
        ("singletrack_run_wait_seconds > 1", "there is no singletrack_run_wait_seconds"),
        ("a:singletrack_runs:b == 0", "there is no a:singletrack_runs:b"),
        ('singletrack_runs{task="x"}', "singletrack_runs has no label task"),
        ('singletrack_runs{state="ready"}', "state is never ready"),
        ("(sum by (colour) (singletrack_runs))", "no metric has the label colour"),
        ("up / on (pod) up", "no metric has the label pod"),
        ("max_over_time((-singletrack_run)[1h:])", "there is no singletrack_run"),
    ],
)
def test_a_misspelt_name_is_seen(expression: str, complaint: str) -> None:
    assert complaints(expression) == [complaint]
