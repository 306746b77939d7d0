"""The recording rules and alerts that the chart ships, as Prometheus reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from support.alert_rules import FILES, RULES, groups


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording rule, or an alert."""

    name: str
    expression: str
    records: bool

    def __str__(self) -> str:
        return self.name


def every() -> list[Rule]:
    return [_rule(each) for each in RULES]


def evaluated_at_once(folder: Path) -> list[Path]:
    """Copies of the files whose groups all wait for the same short time, not for their own."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for path in FILES:
        hurried = [{**group, "interval": "1s"} for group in groups(path)]
        copies.append(folder / path.name)
        copies[-1].write_text(yaml.safe_dump({"groups": hurried}))
    return copies


def _rule(given: dict[str, Any]) -> Rule:
    return Rule(given.get("record") or given["alert"], given["expr"], "record" in given)
