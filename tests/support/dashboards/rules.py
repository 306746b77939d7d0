"""The rules that the chart ships, held against the same declarations as the dashboards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from support.alert_rules import groups
from support.dashboards import contract, promql
from support.helm import CHART

FOLDER = CHART / "alerts"


def rules(folder: Path = FOLDER) -> Iterator[tuple[str, str]]:
    """The name and the expression of each, out of the files of that folder."""
    for file in sorted(folder.glob("*.y*ml")):
        for group in groups(file):
            for rule in group["rules"]:
                yield rule.get("alert") or rule["record"], rule["expr"]


def findings(folder: Path = FOLDER) -> list[str]:
    """What they name that is not declared, and what can never give a result."""
    return [
        f"{name}: {complaint}"
        for name, expression in rules(folder)
        for complaint in contract.meaning_complaints(promql.parsed(expression))
    ]
