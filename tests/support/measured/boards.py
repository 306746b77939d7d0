"""The queries of the dashboards that the chart ships, with everything chosen."""

from __future__ import annotations

import json
from dataclasses import dataclass

from support.dashboards import queries
from support.helm import CHART


@dataclass(frozen=True, slots=True)
class Asked:
    """One query, and the dashboard it is of."""

    board: str
    query: queries.Query

    @property
    def expression(self) -> str:
        return self.query.expression

    def __str__(self) -> str:
        return " ".join((f"{self.board}: {self.query.title}", self.query.ref)).strip()


def asked(kind: str, seconds: int = 60) -> list[Asked]:
    """Every query of one kind: `panel`, `variable` or `annotation`, over so much time."""
    boards = [json.loads(path.read_text()) for path in sorted((CHART / "dashboards").iterdir())]
    chosen = {"__rate_interval": f"{seconds}s", "__range": f"{seconds}s", "__interval": "1s"}
    return [
        Asked(board["uid"], query)
        for board in boards
        for query in queries.queries(board, **chosen)
        if query.kind == kind
    ]
