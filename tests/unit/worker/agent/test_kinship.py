import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.waiting import wait_until

from singletrack_worker.agent import processes
from singletrack_worker.agent.kinship import Household, Kin
from singletrack_worker.agent.processes import Process, ProcessId

CHILD = ProcessId(100, 5000)


def process(pid=7, session=7, parent=1, started=6000):
    return Process(
        pid=pid,
        session=session,
        parent=parent,
        started=started,
        ending=False,
        dead=False,
        exit_status=0,
        image=(1, 2, 3, 4, 5),
    )


def test_a_process_in_the_childs_session_is_its_kin():
    assert Kin(child=CHILD, since=0.0).includes(process(session=CHILD.pid))


def test_a_process_that_was_seen_below_the_child_is_its_kin():
    kin = Kin(child=CHILD, since=0.0, seen={ProcessId(7, 6000)})
    assert kin.includes(process())
    assert not kin.includes(process(started=6001))  # another one with that pid


def test_what_was_there_before_the_run_began_is_older():
    kin = Kin(child=CHILD, since=60.0)
    assert kin.is_older_than(process(started=6000))
    assert not kin.is_older_than(process(started=5999))


@pytest.fixture
def program():
    """A main process as it should be: a program of its own."""
    started = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(1000)"])
    # The call returns in the middle of the exec, before the kernel has noted where all of it is.
    wait_until(lambda: (found := processes.find(started.pid)) and all(found.image))
    yield started.pid
    started.kill()
    started.wait()


@pytest.fixture
def fork():
    """A main process that was forked from another program, which lives on."""
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.skipif(
    Path("/proc/sys/kernel/randomize_va_space").read_text().strip() == "0",
    reason="addresses are not random on this machine",
)
def test_a_program_of_its_own_is_told_by_its_image(program):
    found = processes.find(program)
    assert found
    assert Household.of(found, b"MARK=1").image == found.image


def test_an_image_that_others_have_too_tells_nothing(fork):
    found = processes.find(fork)
    assert found
    assert Household.of(found, b"MARK=1").image is None


def test_main_is_alive_until_it_is_not(program):
    found = processes.find(program)
    assert found
    household = Household.of(found, b"MARK=1")
    assert household.is_alive()
    os.kill(program, signal.SIGKILL)
    os.waitid(os.P_PID, program, os.WEXITED | os.WNOWAIT)
    assert not household.is_alive()
