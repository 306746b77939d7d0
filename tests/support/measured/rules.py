"""The recording rules and alerts that the chart ships, as Prometheus reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from support.helm import CHART

#: As plain files.
FILES = sorted((CHART / "alerts").glob("*.yaml"))


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording rule, or an alert."""

    name: str
    expression: str
    records: bool

    def __str__(self) -> str:
        return self.name


def every() -> list[Rule]:
    return [_rule(each) for path in FILES for group in _groups(path) for each in group["rules"]]


def evaluated_at_once(folder: Path) -> list[Path]:
    """Copies of the files whose groups all wait for the same short time, not for their own."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for path in FILES:
        groups = [{**group, "interval": "1s"} for group in _groups(path)]
        copies.append(folder / path.name)
        copies[-1].write_text(yaml.safe_dump({"groups": groups}))
    return copies


def _groups(path: Path) -> list[dict[str, Any]]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found["groups"]


def _rule(given: dict[str, Any]) -> Rule:
    return Rule(given.get("record") or given["alert"], given["expr"], "record" in given)
