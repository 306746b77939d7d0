"""Each check of `make check` that is ours catches the fault it is there for, planted in a copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = ("core", "api", "worker", "operator", "cli")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The product's code and its import contracts, to be spoilt."""
    for component in COMPONENTS:
        without_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / component, tmp_path / component, ignore=without_caches)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree that obeys every law, to be spoilt."""
    for component in COMPONENTS:
        package = tmp_path / component / f"singletrack_{component}"
        _write(package / "__init__.py", '"""A purpose."""\n')
        _write(package / "py.typed", "")
    _write(tmp_path / "tests/README.md", "# Tests\n")
    return tmp_path


def test_a_copy_without_a_fault_keeps_the_import_contracts(copy: Path) -> None:
    answer = _imports(copy)
    assert answer.returncode == 0, answer.stdout


def test_a_tree_without_a_fault_passes(tree: Path) -> None:
    assert _check("layout", tree).stdout == "layout: ok\n"
    assert _check("sizes", tree).stdout == "sizes: ok\n"


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core/singletrack/errors.py", "import singletrack.run", "adapters, then ports, then"),
        ("core/singletrack/errors.py", "import time", "pure parts of the standard library"),
        ("core/singletrack/run.py", "import pydantic", "pure parts of the standard library"),
        ("core/singletrack/settings.py", "import fastapi", "FastAPI stays in the API"),
        ("core/singletrack/settings.py", "import celery", "Celery stays in its adapter"),
        ("core/singletrack/settings.py", "import redis", "redis stays in its adapter"),
        ("cli/singletrack_cli/__init__.py", "import kopf", "kopf stays in the operator"),
        ("cli/singletrack_cli/__init__.py", "import singletrack_api", "never import one another"),
        ("core/singletrack/settings.py", "import singletrack_cli", "never import one another"),
        ("core/singletrack/unplaced.py", "", "are not listed as layers"),
    ],
)
def test_a_wrong_import_is_caught(copy: Path, module: str, line: str, contract: str) -> None:
    with (copy / module).open("a") as file:
        file.write(f"\n{line}\n")
    answer = _imports(copy)
    assert answer.returncode == 1
    assert contract in " ".join(answer.stdout.partition("Broken contracts")[2].split())


@pytest.mark.parametrize(
    "stray", ["operator/__init__.py", "api/__init__.py", "tests/unit/operator/__init__.py"]
)
def test_a_stray_package_is_caught(tree: Path, stray: str) -> None:
    _write(tree / stray, "")
    assert f"{stray} makes a package of a folder" in _refused("layout", tree)


def test_a_package_that_hides_the_standard_library_is_caught(tree: Path) -> None:
    _write(tree / "operator/__init__.py", "")
    assert "`import operator` at the root does not find" in _refused("layout", tree)


@pytest.mark.parametrize(
    ("module", "owner"),
    [
        ("core/singletrack_core/queue.py", "the standard library"),
        ("api/singletrack_api/resource/__init__.py", "the standard library"),
        ("worker/singletrack_worker/celery.py", "an installed package"),
    ],
)
def test_a_module_with_a_name_that_is_taken_is_caught(tree: Path, module: str, owner: str) -> None:
    _write(tree / module, '"""A purpose."""\n')
    assert f"{module} has the name of a module of {owner}" in _refused("layout", tree)


def test_a_package_without_a_purpose_or_types_is_caught(tree: Path) -> None:
    _write(tree / "core/singletrack_core/mystery/__init__.py", "X = 1\n")
    (tree / "core/singletrack_core/py.typed").unlink()
    found = _refused("layout", tree)
    assert "mystery/__init__.py has no docstring" in found
    assert "core/singletrack_core has no py.typed" in found


def test_a_folder_without_a_purpose_is_caught(tree: Path) -> None:
    _write(tree / "misc/notes.txt", "what is this?\n")
    assert "misc/ has no README.md" in _refused("layout", tree)


def test_what_make_has_made_needs_no_purpose(tree: Path) -> None:
    _write(tree / "dist/sbom.cdx.json", "{}\n")
    assert _check("layout", tree).returncode == 0


def test_what_is_too_large_is_caught(tree: Path) -> None:
    _write(tree / "core/singletrack_core/long.py", "X = 1\n" * 301)
    _write(tree / "core/singletrack_core/long.lua", "-- a line\n" * 301)
    _write(tree / "core/singletrack_core/grown.py", _function(lines=31) + _function(parameters=7))
    found = _refused("sizes", tree)
    assert "long.py has 301 lines, 300 are allowed" in found
    assert "long.lua has 301 lines, 300 are allowed" in found
    assert "grown.py::Grown.run has 31 lines, 30 are allowed" in found
    assert "grown.py::Grown.run has 7 parameters, 6 are allowed" in found


def test_a_docstring_does_not_count(tree: Path) -> None:
    _write(
        tree / "core/singletrack_core/grown.py",
        _function(lines=30, docstring="\n".join("abcdefgh")),
    )
    assert _check("sizes", tree).returncode == 0


def test_an_exception_holds_for_exactly_the_size_it_names(tree: Path) -> None:
    _write(tree / "core/singletrack_core/grown.py", _function(lines=35))
    _except(tree, size=35)
    assert _check("sizes", tree).returncode == 0
    _except(tree, size=34)
    assert "has 35 lines, 34 are allowed" in _refused("sizes", tree)
    _except(tree, size=40)
    assert "its exception says 40: lower it" in _refused("sizes", tree)


def test_a_stale_exception_is_caught(tree: Path) -> None:
    _except(tree, size=35)
    assert "grown.py::Grown.run is small enough (function)" in _refused("sizes", tree)


def test_an_exception_without_a_reason_is_caught(tree: Path) -> None:
    _except(tree, size=35, reason=" ")
    answer = _check("sizes", tree)
    assert answer.returncode == 1
    assert "has no reason" in answer.stderr


def _function(*, lines: int = 1, parameters: int = 1, docstring: str = "") -> str:
    names = ", ".join(f"p{number}" for number in range(parameters))
    body = "\n".join("        x = 1" for _ in range(lines))
    return f'class Grown:\n    def run(self, {names}):\n        """{docstring}"""\n{body}\n'


def _except(tree: Path, *, size: int, reason: str = "a test") -> None:
    _write(
        tree / ".ci/checks/size-exceptions.toml",
        f"""
        [[exception]]
        what = "function"
        name = "core/singletrack_core/grown.py::Grown.run"
        size = {size}
        reason = "{reason}"
        """,
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _refused(check: str, tree: Path) -> str:
    answer = _check(check, tree)
    assert answer.returncode == 1, answer.stdout
    return answer.stdout


def _check(name: str, tree: Path) -> subprocess.CompletedProcess[str]:
    return _run([sys.executable, str(ROOT / f".ci/checks/{name}.py"), str(tree)], tree)


def _imports(copy: Path) -> subprocess.CompletedProcess[str]:
    """Run lint-imports on the copy: its folders come before those of the installed project."""
    program = (
        f"import sys; sys.path[:0] = {[str(copy / name) for name in COMPONENTS]!r}; "
        "from importlinter.cli import lint_imports_command; "
        "lint_imports_command(['--no-cache', '--no-logo'])"
    )
    return _run([sys.executable, "-c", program], copy)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
