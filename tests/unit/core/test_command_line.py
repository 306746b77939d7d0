"""What `--help` of a part without arguments teaches, and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from singletrack import command_line
from singletrack.settings import SHARED

PARTS = ("singletrack_api", "singletrack_operator")


def ask(part: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", part, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("part", PARTS)
def test_help_lists_the_settings_with_their_defaults_and_starts_nothing(part: str) -> None:
    said = ask(part, "--help")
    assert said.returncode == 0
    own = {"singletrack_api": "API_PORT=8000", "singletrack_operator": "OPERATOR_PORT=8082"}
    for setting in (own[part], "LEASE_SECONDS=30.0", "RENEW_SECONDS=5.0"):
        assert f"\n  SINGLETRACK_{setting}\n" in said.stdout
    assert "\n  REDIS_URL=redis://localhost:6379\n" in said.stdout


@pytest.mark.parametrize("part", PARTS)
def test_an_argument_it_does_not_take_is_refused(part: str) -> None:
    said = ask(part, "--port=80")
    assert said.returncode == 2
    assert "unrecognized arguments: --port=80" in said.stderr


def test_what_the_environment_says_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@host:6379")
    assert "secret" not in command_line.parser("part", "A part.", *SHARED).format_help()
