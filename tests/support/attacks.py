"""The page of attacks: each fault of the protocol study, its outcome, and the tests that show it.

`cd tests && python -m support.attacks > ../docs/reference/attacks.md` prints it again from
`docs/reference/attacks.toml`.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "docs" / "reference" / "attacks.toml"
PAGE = ROOT / "docs" / "reference" / "attacks.md"

_HEAD = """# Attacks, and what shows that each comes to nothing

Every race and fault the protocol was made against, with the outcome it must have. A test named here
shows that outcome; where none can, a sentence says why, and what no test shows yet is said too.
`make faults` plays every [failpoint](../glossary.md) with every fault besides; a line such as
`child>executor.confirmed stop` names one of its cases. Made from `attacks.toml`; do not edit.

| | fault | what must happen | shown by |
|---|---|---|---|
"""


def attacks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(DATA.read_text())["attack"]
    return found


def page() -> str:
    """The page as it has to be."""
    return _HEAD + "".join(map(_row, attacks()))


def exists(test: str) -> bool:
    """Whether there is a test of that name: `folder/file.py::function`."""
    file, _, name = test.partition("::")
    path = ROOT / "tests" / file
    return path.exists() and any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        for node in ast.walk(ast.parse(path.read_text()))
    )


def _row(attack: dict[str, Any]) -> str:
    shown = [_link(test) for test in attack.get("tests", ())]
    if "impossible" in attack:
        shown.append(f"Cannot be shown here: {attack['impossible']}")
    if "missing" in attack:
        shown.append(f"**Not shown yet**: {attack['missing']}.")
    if "note" in attack:
        shown.append(f"({attack['note']})")
    cells = (attack["id"], attack["fault"], attack["outcome"], "<br>".join(shown))
    return f"| {' | '.join(cells)} |\n"


def _link(test: str) -> str:
    file, _, name = test.partition("::")
    words = name.removeprefix("test_").replace("_", " ")
    return f"[{words}](../../tests/{file})"


if __name__ == "__main__":
    sys.stdout.write(page())
