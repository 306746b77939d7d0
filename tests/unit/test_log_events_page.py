"""The reference of the log's events is printed from their declarations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from singletrack.logs.events import EVENTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "logs.md"


def printed(page: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / ".ci" / "log_events.py"
    return subprocess.run([sys.executable, script, page], capture_output=True, text=True)


def test_the_page_has_every_event_as_it_is_declared() -> None:
    assert printed(PAGE).stdout == PAGE.read_text(), "make log-events"
    for event in EVENTS.values():
        assert f"| `{event.name}` | {event.level} | {event.meaning} | " in PAGE.read_text()


@pytest.mark.parametrize(
    ("old", "new"), [("| `run_ended` | info |", "| `run_ended` | debug |"), ("| `audit`", "| `x`")]
)
def test_a_table_that_was_changed_by_hand_is_printed_anew(
    tmp_path: Path, old: str, new: str
) -> None:
    copy = tmp_path / "logs.md"
    assert old in PAGE.read_text()
    copy.write_text(PAGE.read_text().replace(old, new))
    assert printed(copy).stdout == PAGE.read_text()


def test_what_is_written_around_the_tables_stays(tmp_path: Path) -> None:
    copy = tmp_path / "logs.md"
    copy.write_text(PAGE.read_text().replace("# Log\n", "# Lines\n", 1) + "\nMore.\n")
    assert printed(copy).stdout == copy.read_text()


def test_a_page_without_a_place_for_the_tables_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "logs.md"
    copy.write_text("# Log\n")
    answer = printed(copy)
    assert answer.returncode == 1
    assert "no lines" in answer.stderr
