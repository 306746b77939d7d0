"""`make dashboards`: writes the dashboards into the chart. With `--check`, says which are stale."""

from __future__ import annotations

import json
import sys
from typing import Any

from support.dashboards import operator_and_api, overview, queues_and_workers, task_detail
from support.dashboards.boards import Board, dashboard
from support.helm import CHART

FOLDER = CHART / "dashboards"


def built() -> dict[str, dict[str, Any]]:
    """Each dashboard by the name of its file."""
    boards: list[Board] = [
        overview.board(),
        task_detail.board(),
        queues_and_workers.board(),
        operator_and_api.board(),
    ]
    return {f"{board.uid.removeprefix('singletrack-')}.json": dashboard(board) for board in boards}


def stale() -> list[str]:
    """The files that are not what the code says, those that are too many included."""
    wanted = {name: written(board) for name, board in built().items()}
    there = {file.name: file.read_text() for file in FOLDER.iterdir()}
    return sorted(name for name in wanted | there if wanted.get(name) != there.get(name))


def written(board: dict[str, Any]) -> str:
    """The text of a file."""
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    if "--check" in sys.argv[1:]:
        sys.stdout.writelines(f"{name} is not what the code says\n" for name in stale())
        return 1 if stale() else 0
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.json"):
        file.unlink()
    for name, board in built().items():
        (FOLDER / name).write_text(written(board))
    return 0


if __name__ == "__main__":
    sys.exit(main())
