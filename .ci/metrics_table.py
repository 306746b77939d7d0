"""The page of the metrics, out of their declarations in the code: `make metrics`.

What stands around the tables is written by hand and stays; the tables are printed.

`python .ci/metrics_table.py [page]` prints the page with the tables as they should be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from printed_page import between, show

from singletrack.metrics.declarations import (
    API,
    COMMON,
    LABEL_CAPS,
    LABELS,
    LEDGER,
    OPERATOR,
    WORKER,
    Metric,
)

PAGE = "docs/reference/metrics.md"
BEGIN = "<!-- The metrics: `make metrics` prints them from singletrack.metrics.declarations. -->"
END = "<!-- The end of the metrics. -->"

SECTIONS = {
    "Runs, locks and the ledger": LEDGER,
    "The operator": OPERATOR,
    "The API": API,
    "A worker": WORKER,
    "Every part": COMMON,
}


def _tables() -> Iterator[str]:
    for title, metrics in SECTIONS.items():
        yield from (
            f"## {title}",
            "",
            "| metric | type | labels | what it says |",
            "|---|---|---|---|",
        )
        yield from map(_row, metrics)
        yield ""
    yield from ("## Buckets", "", "| histogram | upper bounds in seconds |", "|---|---|")
    for metric in (each for group in SECTIONS.values() for each in group if each.buckets):
        bounds = ", ".join(f"{bound:g}" for bound in metric.buckets)
        yield f"| `{metric.full_name}` | {bounds} |"
    yield from ("", "## Labels", "", "| label | values | at most |", "|---|---|---|")
    for label, text in LABELS.items():
        yield f"| `{label}` | {text} | {LABEL_CAPS.get(label, '')} |"
    yield ""


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.full_name}` | {metric.kind} | {labels} | {metric.help} |"


def main() -> int:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else PAGE)
    tables = "\n".join(_tables())
    return show(path, lambda: between(path.read_text(), BEGIN, END, tables))


if __name__ == "__main__":
    sys.exit(main())
