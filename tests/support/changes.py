"""What changes for an existing Celery project, as data: the page and the tests both read it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

SHOP = Path(__file__).resolve().parents[1] / "projects" / "shop"


@dataclass(frozen=True)
class Change:
    """One documented change."""

    what: str
    instead: str
    declared: tuple[str, ...] = ()
    all: tuple[str, ...] = ()

    def tests(self, gate: str) -> set[str]:
        """The shop's tests that fail because of it."""
        return {"": set(), "declared": set(self.declared), "all": {*self.declared, *self.all}}[gate]


CHANGES = [
    Change(**entry) for entry in tomllib.loads((SHOP / "changes.toml").read_text())["change"]
]
