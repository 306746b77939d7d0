"""The table of the chart's values in its README, out of the comments in `values.yaml`.

So a value is described in one place. Its comment is above it and begins with `# --`; a value
without one is an offence, unless it is part of a value that has one.

`python .ci/values_table.py [root]` prints the README with the table as it should be.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from printed_page import Offence, between, show

BEGIN = "<!-- The values: `make values` prints them from values.yaml. -->"
END = "<!-- The end of the values. -->"
HEADER = "| value | default | what it is for |\n|---|---|---|"


@dataclass(frozen=True, slots=True)
class Row:
    """One value; `default` is empty where the rows of its parts have theirs."""

    name: str
    default: str
    text: str

    def __str__(self) -> str:
        default = f"`{self.default}`" if self.default else ""
        return "| " + " | ".join((f"`{self.name}`", default, self.text.replace("|", "\\|"))) + " |"


def table(text: str) -> str:
    """The table for the text of a values file.

    Raises:
        Offence: a value has no comment.
    """
    node, lines = yaml.compose(text), text.splitlines()
    found = _rows(node, yaml.safe_load(text), lines, "")
    return "\n".join([HEADER, *map(str, found)])


def page(readme: str, values: str) -> str:
    """The README with the table of these values in its place.

    Raises:
        Offence: a value has no comment, or there is no place for the table.
    """
    return between(readme, BEGIN, END, table(values))


def _rows(node: Any, data: Any, lines: list[str], path: str) -> Iterator[Row]:
    for key, value in node.value:
        name, text = f"{path}{key.value}", _comment(lines, key)
        if _has_described_parts(value, lines):
            if text:
                yield Row(name, "", text)
            yield from _rows(value, data[key.value], lines, f"{name}.")
        elif text:
            yield Row(name, json.dumps(data[key.value], separators=(",", ":")), text)
        else:
            raise Offence(f"{name} has no comment above it that begins with `# --`")


def _has_described_parts(node: Any, lines: list[str]) -> bool:
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        return False
    return any(
        _comment(lines, key) or _has_described_parts(part, lines) for key, part in node.value
    )


def _comment(lines: list[str], key: Any) -> str:
    """The lines of comment right above a value, as one; empty if they are not about it."""
    found: list[str] = []
    for line in reversed(lines[: key.start_mark.line]):
        if not line.lstrip().startswith("#"):
            break
        found.insert(0, line.lstrip(" #"))
    text = " ".join(found)
    return text.removeprefix("-- ") if text.startswith("-- ") else ""


def main() -> int:
    chart = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "charts" / "singletrack"
    readme, values = chart / "README.md", chart / "values.yaml"
    return show(Path("charts/singletrack"), lambda: page(readme.read_text(), values.read_text()))


if __name__ == "__main__":
    sys.exit(main())
