"""How the dashboards put targets together, asked of Prometheus by `promtool test rules`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from support.dashboards import expressions
from support.dashboards.promql import substituted
from support.dashboards.queries import OPENED
from support.prometheus.programs import Programs

#: Half an hour in steps of 15 seconds.
STEPS = 120
SHOWN = {f"${name}": value for name, value in (OPENED | {"__range": "30m"}).items()}


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    said = {"namespace": "n", "job": "j"} | labels
    inside = ",".join(f'{label}="{value}"' for label, value in said.items())
    return {"series": f"singletrack_{name}{{{inside}}}", "values": values}


def asked(
    prometheus: Programs,
    folder: Path,
    told: list[dict[str, str]],
    expected: dict[str, dict[str, float]],
) -> None:
    """Holds the answers at the end of the half hour against numbers, by labels, by expression."""
    tests: list[dict[str, Any]] = [
        {
            "expr": substituted(expression, SHOWN),
            "eval_time": "30m",
            "exp_samples": [
                {"labels": labels, "value": value} for labels, value in samples.items()
            ],
        }
        for expression, samples in expected.items()
    ]
    file = folder / "numbers.yaml"
    case = {"interval": "15s", "input_series": told, "promql_expr_test": tests}
    file.write_text(yaml.safe_dump({"tests": [case]}))
    assert prometheus.complaint("test", "rules", file) == ""


def test_what_the_ledger_counts_is_right_while_and_after_one_exporter_follows_another(
    prometheus: Programs, tmp_path: Path
) -> None:
    """A run ends each minute; the second exporter comes two minutes before the first one goes."""
    ends = [step // 4 for step in range(STEPS + 1)]
    first = [str(count) for count in ends[:65]] + ["stale"]
    second = ["_"] * 57 + [str(count) for count in ends[57:]]
    lost = {"task": "t", "outcome": "lost"}
    asked(
        prometheus,
        tmp_path,
        [
            series("runs_finished_total", " ".join(first), instance="a", **lost),
            series("runs_finished_total", " ".join(second), instance="b", **lost),
            series("runs", f"3x{STEPS}", instance="a", queue="q", state="RUNNING"),
            series("runs", f"3x{STEPS}", instance="b", queue="q", state="RUNNING"),
        ],
        {
            expressions.total(expressions.ledger_growth("runs_finished_total"), "outcome"): {
                '{outcome="lost"}': 30
            },
            expressions.total(expressions.ledger("runs")): {"{}": 3},
        },
    )


def test_the_first_failure_with_a_reason_is_counted(prometheus: Programs, tmp_path: Path) -> None:
    known, new = ({"task": "t", "reason": reason} for reason in ("Error", "OOMKilled"))
    asked(
        prometheus,
        tmp_path,
        [
            series("ledger_up", f"1x{STEPS}", instance="a"),
            series("run_failures_total", f"5x{STEPS}", instance="a", **known),
            series("run_failures_total", "_x59 1x60", instance="a", **new),
        ],
        {
            expressions.total(expressions.ledger_growth_of_new("run_failures_total"), "reason"): {
                '{reason="Error"}': 0,
                '{reason="OOMKilled"}': 1,
            },
        },
    )


def test_failures_from_before_prometheus_first_saw_the_ledger_are_not_new(
    prometheus: Programs, tmp_path: Path
) -> None:
    """What it first saw within the time that is shown may have been there long before."""
    asked(
        prometheus,
        tmp_path,
        [
            series("ledger_up", "_x59 1x60", instance="a"),
            series("run_failures_total", "_x59 7x60", instance="a", task="t", reason="Error"),
        ],
        {expressions.total(expressions.ledger_growth_of_new("run_failures_total")): {"{}": 0}},
    )
