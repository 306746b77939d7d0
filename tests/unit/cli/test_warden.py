"""Whatever ends the supervisor, nothing that belongs to it goes on living."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.waiting import wait_until

from singletrack_cli import parts, warden
from singletrack_cli.wardship import ended_with_us

# A daemon as old books have it: its parent gone, a session of its own.
DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(600)
"""
# Never the same process for long: when it is looked at it may have ended, its child not yet listed.
HOPPER = """
import os, time
end = time.monotonic() + 0.5
while time.monotonic() < end:
    if os.fork(): os._exit(0)
time.sleep(600)
"""
SUPERVISOR = """
import os, subprocess, sys, time
from singletrack_cli.wardship import ended_with_us
with ended_with_us(sys.argv[1], os.environ):
    subprocess.Popen(["sleep", "600"], env=os.environ | {"SINGLETRACK_UP": sys.argv[1]},
                     start_new_session=True)
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def mark() -> Iterator[str]:
    mark = secrets.token_hex(8)
    yield mark
    for pid in living(mark):
        warden.kill(pid)


def living(mark: str) -> list[int]:
    return warden.look(f"{parts.MARK}={mark}".encode())[0]


def start(mark: str, *command: str) -> None:
    environ = {**os.environ, parts.MARK: mark}
    subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL).wait()


def test_what_bears_the_mark_is_ended_with_the_block(mark: str) -> None:
    with ended_with_us(mark, os.environ):
        start(mark, sys.executable, "-c", DAEMON)
        wait_until(lambda: living(mark))
    wait_until(lambda: not living(mark))


def test_what_moves_from_process_to_process_is_caught_in_the_end(mark: str) -> None:
    for _ in range(5):
        with ended_with_us(mark, os.environ):
            start(mark, sys.executable, "-c", HOPPER)
            wait_until(lambda: living(mark))
        assert living(mark) == []


def test_what_bears_another_mark_is_left_alone(mark: str) -> None:
    with ended_with_us(f"{mark}0", os.environ):
        start(mark, sys.executable, "-c", DAEMON)
    assert living(mark) != []


def test_a_supervisor_that_is_killed_leaves_nothing(mark: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, mark],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as supervisor:
        assert supervisor.stdout is not None
        supervisor.stdout.readline()
        assert living(mark) != []
        supervisor.kill()
    wait_until(lambda: living(mark) == [])


def test_the_warden_itself_is_small_and_bears_no_mark(mark: str) -> None:
    with ended_with_us(mark, os.environ) as pid:
        wait_until(lambda: b"warden.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
        assert pid not in living(mark)
