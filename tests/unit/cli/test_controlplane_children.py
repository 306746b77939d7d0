"""Children end with their parent, in the way they are asked to, and say why they failed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from support.waiting import wait_until

from singletrack_cli.controlplane import ports
from singletrack_cli.controlplane.children import Child

NOW = timedelta()
PARENT = """
import os, pathlib, signal, sys, threading
from singletrack_cli.controlplane.children import Child
folder = pathlib.Path(sys.argv[1])
def start():
    global child
    child = Child(["/bin/sleep", "600"], folder=folder, log=folder / "log")
thread = threading.Thread(target=start)
thread.start()
thread.join()
print(child.pid, flush=True)
signal.pause()
"""


def test_a_child_is_gone_when_its_parent_was_killed(tmp_path: Path) -> None:
    with _parent(tmp_path) as parent:
        child = _line(parent)
        parent.kill()
    wait_until(lambda: _ended(child))


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    with _parent(tmp_path) as parent:
        child = _line(parent)
        try:
            threads = Path("/proc", str(parent.pid), "task")
            main_and_keeper = 2
            wait_until(lambda: len(list(threads.iterdir())) == main_and_keeper)
            assert not _ended(child)
        finally:
            parent.kill()


def test_a_child_is_asked_before_it_is_killed(tmp_path: Path) -> None:
    child = _shell(
        "trap 'echo asked; exit 3' TERM; echo on; while :; do sleep 0.05; done", tmp_path
    )
    wait_until(lambda: "on" in child.last_lines())
    child.stop(timedelta(seconds=10))
    assert child.returncode == 3
    assert "asked" in child.last_lines()


def test_a_child_that_does_not_listen_is_killed_with_what_it_started(tmp_path: Path) -> None:
    child = _shell("trap '' TERM; sleep 600 & echo $!; wait; sleep 600", tmp_path)
    grandchild = wait_until(lambda: child.last_lines().strip())
    child.stop(NOW)
    assert child.returncode == -signal.SIGKILL
    wait_until(lambda: _ended(grandchild))


def test_stopping_a_child_that_has_ended_does_nothing(tmp_path: Path) -> None:
    child = _shell("exit 7", tmp_path)
    assert child.wait(timedelta(seconds=10))
    child.stop(NOW)
    assert child.returncode == 7


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    child = Child(["/no/such/program"], folder=tmp_path, log=tmp_path / "log")
    assert child.wait(timedelta(seconds=10))
    assert child.last_lines() == "  /no/such/program cannot be started: No such file or directory"


def test_a_log_that_cannot_be_written_is_an_error_of_the_one_who_starts(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Child(["/bin/true"], folder=tmp_path, log=tmp_path / "missing" / "log")


def test_a_tethered_program_is_not_started_for_a_parent_that_has_ended() -> None:
    tether = Path(ports.__file__).with_name("tether.py")
    strangers_pid = str(os.getppid())
    answer = subprocess.run(
        [sys.executable, tether, strangers_pid, "/bin/echo", "started"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout == ""
    assert "the process that wanted it has ended" in answer.stderr


def test_the_port_of_the_last_start_comes_first_unless_it_is_taken(tmp_path: Path) -> None:
    remembered = tmp_path / "port"
    port = next(ports.candidates(remembered))
    remembered.write_text(str(port))
    assert next(ports.candidates(remembered)) == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert port not in set(ports.candidates(remembered))


def _shell(script: str, folder: Path) -> Child:
    return Child(["/bin/sh", "-c", script], folder=folder, log=folder / "log")


def _parent(folder: Path) -> subprocess.Popen[str]:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _ended(pid: str) -> bool:
    try:
        stat = Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"
