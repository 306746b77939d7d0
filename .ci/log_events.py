"""The page of the log's events, out of their declarations in the code: `make log-events`.

What stands around the tables is written by hand and stays; the tables are printed.

`python .ci/log_events.py [page]` prints the page with the tables as they should be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from printed_page import between, show

from singletrack.logs.events import BOUND, FIELDS, SECTIONS, Section

PAGE = "docs/reference/logs.md"
BEGIN = "<!-- The events: `make log-events` prints them from singletrack.logs.events. -->"
END = "<!-- The end of the events. -->"


def _tables() -> Iterator[str]:
    yield from ("## What every line may have", "")
    yield from _words("on the line", BOUND)
    for section in SECTIONS:
        yield from _section(section)
    yield from ("## Fields of events", "")
    yield from _words("field", FIELDS)


def _section(section: Section) -> Iterator[str]:
    yield from (
        f"## {section.title}",
        "",
        "| event | level | what it says | fields |",
        "|---|---|---|---|",
    )
    for event in section.events:
        names = ("run", *event.fields) if event.of_run else event.fields
        fields = ", ".join(f"`{name}`" for name in names)
        yield f"| `{event.name}` | {event.level} | {event.meaning} | {fields} |"
    yield ""


def _words(title: str, words: dict[str, str]) -> Iterator[str]:
    yield from (f"| {title} | meaning |", "|---|---|")
    for name, meaning in words.items():
        yield f"| `{name}` | {meaning} |"
    yield ""


def main() -> int:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else PAGE)
    tables = "\n".join(_tables())
    return show(path, lambda: between(path.read_text(), BEGIN, END, tables))


if __name__ == "__main__":
    sys.exit(main())
