"""Modules of at most 300 lines, functions of at most 30, at most six parameters.

Counted are the lines of a file (.py and .lua) and, of a function, the lines from the first
statement after the docstring to the last. What has to be larger is listed in `size-exceptions.toml`
with its size and the reason, and the list is a ratchet: a thing that has grown past its entry
fails, and so does an entry that is larger than the thing, or needless.

`python .ci/checks/sizes.py [root]` prints one sentence per offence and fails if there is one.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("core", "api", "worker", "operator", "cli", "bench", ".ci")
LIMITS = {"module": 300, "function": 30, "parameters": 6}
UNITS = {"module": "lines", "function": "lines", "parameters": "parameters"}
EXCEPTIONS = Path(".ci/checks/size-exceptions.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How large one thing is; `name` is the file's path, or path::function."""

    name: str
    what: str
    size: int

    def __str__(self) -> str:
        return f"{self.name} has {self.size} {UNITS[self.what]}"


def measures(root: Path) -> Iterator[Measure]:
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".py", ".lua"}:
                name, text = str(path.relative_to(root)), path.read_text()
                yield Measure(name=name, what="module", size=len(text.splitlines()))
                if path.suffix == ".py":
                    yield from _functions(ast.parse(text), name)


def _functions(node: ast.AST, scope: str) -> Iterator[Measure]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = _within(scope, child.name)
            yield Measure(name=name, what="function", size=_body_lines(child))
            yield Measure(name=name, what="parameters", size=_parameters(child))
            yield from _functions(child, name)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, _within(scope, child.name))
        else:
            yield from _functions(child, scope)


def _within(scope: str, name: str) -> str:
    return f"{scope}.{name}" if "::" in scope else f"{scope}::{name}"


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}])


def offences(root: Path) -> list[str]:
    allowed = _exceptions(root / EXCEPTIONS)
    too_large = {
        (measure.what, measure.name): measure
        for measure in measures(root)
        if measure.size > LIMITS[measure.what]
    }
    return [
        *_without_leave(too_large, allowed),
        *_needless(too_large, allowed),
    ]


def _without_leave(
    too_large: dict[tuple[str, str], Measure], allowed: dict[tuple[str, str], int]
) -> Iterator[str]:
    for key, measure in too_large.items():
        limit = allowed.get(key, LIMITS[measure.what])
        if measure.size > limit:
            yield f"{measure}, {limit} are allowed: split it by what it is responsible for."
        elif measure.size < limit:
            yield f"{measure}, its exception says {limit}: lower it in {EXCEPTIONS}."


def _needless(
    too_large: dict[tuple[str, str], Measure], allowed: dict[tuple[str, str], int]
) -> Iterator[str]:
    for what, name in sorted(allowed.keys() - too_large.keys()):
        yield f"{name} is small enough ({what}): delete its exception from {EXCEPTIONS}."


def _exceptions(path: Path) -> dict[tuple[str, str], int]:
    entries = tomllib.loads(path.read_text()).get("exception", []) if path.exists() else []
    for entry in entries:
        if not entry.get("reason", "").strip():
            raise SystemExit(f"{path}: the exception for {entry.get('name')} has no reason.")
    return {(entry["what"], entry["name"]): entry["size"] for entry in entries}


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = offences(root)
    print("\n".join(found) or "sizes: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
