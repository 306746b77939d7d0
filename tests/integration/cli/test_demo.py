"""The demonstration itself: everything it claims holds, and it ends without a trace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from integration.cli.up_process import command_environ
from support.waiting import wait_until

from singletrack_cli import parts, warden
from singletrack_cli.controlplane import Binaries

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]

COMMAND = [sys.executable, "-m", "singletrack_cli.demo"]


@pytest.fixture
def environ(programs: Binaries, tmp_path: Path) -> dict[str, str]:
    return {
        **command_environ(),
        "KUBEBUILDER_ASSETS": str(programs.folder),
        "TMPDIR": str(tmp_path),
    }


def marked_below(folder: Path) -> list[str]:
    """The working folders of processes of any platform, as far as they lie below one folder."""
    places = []
    for process in Path("/proc").glob("[0-9]*"):
        if any(
            entry.startswith(parts.MARK.encode())
            for entry in warden.environment_of(process.name).split(b"\0")
        ):
            with contextlib.suppress(OSError):
                places.append(str((process / "cwd").readlink()))
    return [place for place in places if place.startswith(str(folder))]


def test_every_claim_holds(environ: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(COMMAND, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "claims hold" in done.stdout
    assert done.stdout.count("  ✓ ") >= 20
    assert list(tmp_path.iterdir()) == []


def test_interrupted_it_leaves_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as out:
        demo = subprocess.Popen(COMMAND, env=environ, stdout=out, stderr=out)
    wait_until(lambda: "✓ the second waits" in log.read_text(), 90, "the first claim")
    os.kill(demo.pid, signal.SIGINT)
    assert demo.wait(60) == 130
    assert marked_below(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
