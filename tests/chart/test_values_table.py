"""The table of values in the chart's README is printed from their comments."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "values_table.py"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The chart's values and README, to be spoilt."""
    chart = tmp_path / "charts" / "singletrack"
    chart.mkdir(parents=True)
    for name in ("README.md", "values.yaml"):
        shutil.copy(ROOT / "charts" / "singletrack" / name, chart)
    return chart


def printed(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_the_readme_has_the_values_as_they_are() -> None:
    readme = ROOT / "charts" / "singletrack" / "README.md"
    assert printed(ROOT).stdout == readme.read_text(), "make values"


def test_a_changed_default_and_a_changed_comment_show(copy: Path) -> None:
    change(copy / "values.yaml", "leaseSeconds: 30", "leaseSeconds: 31")
    change(copy / "values.yaml", "How long a lease lasts", "How long it lasts\n  # at most | or so")
    line = next(line for line in printed(copy.parents[1]).stdout.splitlines() if "leaseS" in line)
    assert line.startswith("| `settings.leaseSeconds` | `31` | How long it lasts at most \\| or so")


def test_the_text_around_the_table_stays(copy: Path) -> None:
    change(copy / "README.md", "## What to know", "## What else to know")
    assert printed(copy.parents[1]).stdout == (copy / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("values.yaml", "  # -- The Service", "  # The Service", "api.service.port has no comment"),
        ("values.yaml", "crds:", "mine: 1\n\ncrds:", "mine has no comment"),
        ("README.md", "<!-- The end of the values. -->", "", "no lines"),
    ],
)
def test_a_value_without_a_comment_and_a_readme_without_a_place_fail_with_a_sentence(
    copy: Path, name: str, old: str, new: str, said: str
) -> None:
    change(copy / name, old, new)
    done = printed(copy.parents[1])
    assert done.returncode == 1
    assert done.stderr.startswith("charts/singletrack: ")
    assert said in done.stderr
