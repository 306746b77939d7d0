"""The laws of the folder layout, which no linter knows (docs/adr/0001-layout.md has the reasons).

A component folder (`operator/`, `api/`, …) is not a package, and nothing below `tests/` is: a
package called `operator` hides the standard library's and breaks every `python -m …`. No module is
named like one of the standard library or of an installed package. Each package says in its
docstring what it is for and ships `py.typed`; each other folder at the top says it in its README.

`python .ci/checks/layout.py [root]` prints one sentence per offence and fails if there is one.
"""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

COMPONENTS = ("core", "api", "worker", "operator", "cli")
MADE = ("build", "dist")  # by `make`; not in the repository
OTHER_CODE = ("bench", ".ci", "tests/support")


def offences(root: Path) -> list[str]:
    return [
        *_packages_that_must_not_be(root),
        *_names_that_are_taken(root),
        *_packages_without_a_purpose(root),
        *_folders_without_a_purpose(root),
        *_hidden_standard_library(root),
    ]


def _packages_that_must_not_be(root: Path) -> Iterator[str]:
    strays = [root / component / "__init__.py" for component in COMPONENTS]
    strays += (root / "tests").rglob("__init__.py")
    for stray in strays:
        if stray.exists():
            yield (
                f"{stray.relative_to(root)} makes a package of a folder that must not be one; "
                "it would hide another module of that name. Delete it."
            )


def _names_that_are_taken(root: Path) -> Iterator[str]:
    installed = {
        name
        for name in importlib.metadata.packages_distributions()
        if not name.startswith("singletrack")
    }
    for path in _modules(root):
        name = path.parent.name if path.name == "__init__.py" else path.stem
        owner = (
            "the standard library" if name in sys.stdlib_module_names else "an installed package"
        )
        if name != "__main__" and name in sys.stdlib_module_names | installed:
            yield f"{path.relative_to(root)} has the name of a module of {owner}. Rename it."


def _modules(root: Path) -> Iterator[Path]:
    for folder in (*COMPONENTS, *OTHER_CODE):
        yield from sorted((root / folder).rglob("*.py"))


def _packages_without_a_purpose(root: Path) -> Iterator[str]:
    for component in COMPONENTS:
        for init in sorted((root / component).rglob("__init__.py")):
            if not ast.get_docstring(ast.parse(init.read_text())):
                yield f"{init.relative_to(root)} has no docstring to say what the package is for."
        for package in sorted((root / component).glob("singletrack*/__init__.py")):
            if not (package.parent / "py.typed").exists():
                yield f"{package.parent.relative_to(root)} has no py.typed: its types stay hidden."


def _folders_without_a_purpose(root: Path) -> Iterator[str]:
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name.startswith(".") or folder.name in COMPONENTS + MADE:
            continue
        if any(folder.iterdir()) and not (folder / "README.md").exists():
            yield f"{folder.name}/ has no README.md that says what the folder is for."


def _hidden_standard_library(root: Path) -> Iterator[str]:
    command = [sys.executable, "-S", "-c", "import operator; operator.itemgetter"]
    if subprocess.run(command, cwd=root, capture_output=True, check=False).returncode != 0:
        yield "`import operator` at the root does not find the standard library's module."


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = offences(root)
    print("\n".join(found) or "layout: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
