"""The tree as it is obeys the laws of its layout, and every make target explains itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("check", ["layout", "sizes"])
def test_the_tree_obeys(check: str) -> None:
    answer = _run([sys.executable, f".ci/checks/{check}.py"])
    assert answer.returncode == 0, answer.stdout


def test_no_component_folder_and_no_test_folder_is_a_package() -> None:
    folders = [ROOT / name for name in ("core", "api", "worker", "operator", "cli")]
    strays = [folder / "__init__.py" for folder in folders if (folder / "__init__.py").exists()]
    assert strays + list((ROOT / "tests").rglob("__init__.py")) == []


def test_import_operator_finds_the_standard_library_at_the_root() -> None:
    program = "import operator; operator.itemgetter; print(operator.__file__)"
    answer = _run([sys.executable, "-S", "-c", program])
    assert answer.returncode == 0, answer.stderr
    assert not answer.stdout.startswith(str(ROOT / "operator"))


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE))
    listed = set(re.findall(r"^  (\S+)  +\S", _run(["make", "help"]).stdout, re.MULTILINE))
    assert listed == targets == phony


def test_the_lock_names_only_the_public_index() -> None:
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts <= {"pypi.org", "files.pythonhosted.org"}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
