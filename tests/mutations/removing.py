"""Takes guards out of a copy of the checkout, one at a time, and runs the tests that must notice.

The product has no switch for this: what is run is a copy with another text in one file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mutations.guard import Guard

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = ("core", "api", "worker", "operator", "cli")

PASSED = "passed"
_SECONDS = 600


def find_problem(root: Path, guard: Guard) -> str:
    """Why the guard cannot be removed as the list says; empty if it can."""
    text = (root / guard.file).read_text()
    if text.count(guard.text) != 1:
        return f"{guard.file} has {text.count(guard.text)} times: {guard.text!r}"
    if guard.file.endswith(".py"):
        compile(text.replace(guard.text, guard.instead), guard.file, "exec")
    if guard.text == guard.instead or not guard.tests:
        return "nothing would be removed, or nobody would notice"
    for test in guard.tests:
        file, _, name = test.partition("::")
        function = name.rpartition("::")[2].partition("[")[0]
        if f"def {function}(" not in (root / "tests" / file).read_text():
            return f"there is no test {test}"
    return ""


class Copy:
    """A copy of the components and the tests, which may be broken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (*COMPONENTS, "tests"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(ROOT / "pyproject.toml", folder)

    @contextmanager
    def without(self, guard: Guard) -> Iterator[None]:
        """The copy with that guard removed."""
        path = self.folder / guard.file
        whole = path.read_text()
        self._write(path, whole.replace(guard.text, guard.instead))
        try:
            yield
        finally:
            self._write(path, whole)

    def run(self, tests: Iterable[str]) -> dict[str, str]:
        """Run tests by name; for each `PASSED`, or how it failed."""
        wanted = sorted(set(tests))
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        quiet = ["-q", "--tb=no", "-p", "no:randomly", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *quiet, f"--junitxml={report}"]
            + [f"tests/{test}" for test in wanted],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(self._path())},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode > 1 or not report.exists():  # 1: tests failed
            said = (done.stdout + done.stderr).strip().splitlines()
            return dict.fromkeys(wanted, f"pytest did not run: {' '.join(said[-4:])}")
        found = _verdicts(report)
        return {test: found.get(_place(test), "did not run") for test in wanted}

    def _path(self) -> list[str]:
        return [str(self.folder / name) for name in COMPONENTS]

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.write_text(text)
        # Compiled code is told by second and size, which may be those of the text before.
        for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            stale.unlink()


def unnoticed(guard: Guard, verdicts: Mapping[str, str]) -> list[str]:
    """The tests that did not fail as they must, each with what it did."""
    return [
        f"{test}: {verdicts[test]}"
        for test in guard.tests
        if not re.match(f"failed: ({guard.fails_with})", verdicts[test])
    ]


def _place(test: str) -> tuple[str, str]:
    """A test's name as the report has it: module and class, function."""
    file, _, name = test.partition("::")
    base, bracket, parameters = name.partition("[")
    *classes, function = base.split("::")
    module = ".".join(["tests", *Path(file).with_suffix("").parts, *classes])
    return module, function + bracket + parameters


def _verdicts(report: Path) -> dict[tuple[str, str], str]:
    return {
        (case.get("classname", ""), case.get("name", "")): _verdict(case)
        for case in ET.parse(report).iter("testcase")  # noqa: S314 - our own file
    }


def _verdict(case: ET.Element) -> str:
    for kind, word in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
        found = case.find(kind)
        if found is not None:
            return f"{word}: {found.get('message')}"
    return PASSED
