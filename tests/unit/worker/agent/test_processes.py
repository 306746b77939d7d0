import os
import select
import signal
import subprocess
import sys
import time

import pytest
from support.waiting import wait_until

from singletrack.exits import Exit
from singletrack_worker.agent import killing, processes
from singletrack_worker.agent.alarm import Alarm
from singletrack_worker.agent.calls import Bell
from singletrack_worker.agent.processes import ProcessId


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(1000)"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_pid_and_start(sleeper):
    found = processes.find(sleeper.pid)
    assert found
    assert found.identity == ProcessId(sleeper.pid, found.started)
    assert found.parent == os.getpid()
    assert not found.dead


def test_this_process_is_seen_with_its_session():
    found = processes.find(os.getpid())
    assert found
    assert found.session == os.getsid(0)
    assert found.pid in {process.pid for process in processes.everybody()}


def test_nobody_has_a_pid_that_cannot_be():
    assert processes.find(2**30) is None
    assert processes.children_of(2**30) == []
    assert processes.open_pidfd(ProcessId(2**22, 1)) is None


def test_a_pid_that_was_given_to_another_process_is_not_signalled(sleeper):
    found = processes.find(sleeper.pid)
    assert processes.open_pidfd(ProcessId(sleeper.pid, found.started - 1)) is None


def test_a_dead_process_tells_how_it_ended_until_it_is_reaped(sleeper):
    os.kill(sleeper.pid, signal.SIGKILL)
    found = wait_until(lambda: (p := processes.find(sleeper.pid)) and p.dead and p)
    code = os.waitstatus_to_exitcode(found.exit_status)
    assert processes.describe_exit(code) == Exit(signal="SIGKILL")
    assert sleeper.pid in processes.children_of(os.getpid())
    below = processes.descendants([os.getpid()])
    assert sleeper.pid not in {process.identity.pid for process in below}
    processes.reap([sleeper.pid])
    assert processes.find(sleeper.pid) is None
    processes.reap([sleeper.pid])


def test_a_program_has_an_image_of_its_own(sleeper):
    mine, its = processes.find(os.getpid()), processes.find(sleeper.pid)
    assert mine.image != its.image
    assert all(mine.image)


def test_the_environment_a_process_was_started_with_is_searched_by_whole_entries():
    code = "import time; time.sleep(1000)"
    process = subprocess.Popen([sys.executable, "-S", "-c", code], env={"MARK": "a/b"})
    try:
        wait_until(lambda: processes.environment_holds(process.pid, b"MARK=a/b"))
        assert not processes.environment_holds(process.pid, b"MARK=a")
        assert not processes.environment_holds(process.pid, b"ARK=a/b")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("code", "ended", "words"),
    [
        (3, Exit(code=3), "exit code 3"),
        (0, Exit(code=0), "exit code 0"),
        (-9, Exit(signal="SIGKILL"), "killed by SIGKILL"),
        (-40, Exit(signal="SIG40"), "killed by SIG40"),
    ],
)
def test_an_end_is_a_code_or_the_name_of_a_signal(code, ended, words):
    assert processes.describe_exit(code) == ended
    assert str(ended) == words


def test_a_stopped_process_is_killed_and_waited_for(sleeper):
    os.kill(sleeper.pid, signal.SIGSTOP)
    killed = killing.kill_tree([sleeper.pid], seconds=10)
    assert killed.complete
    assert killed.pids == (sleeper.pid,)
    assert processes.find(sleeper.pid).dead


def test_killing_nobody_is_complete():
    assert killing.kill_all(list, seconds=1) == killing.Killed(complete=True)


def test_an_alarm_rings_at_its_moment_and_not_before():
    alarm = Alarm()
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    alarm.set(now + 1000)
    assert not rings(alarm)
    alarm.set(now + 0.02)
    assert rings(alarm, 10)
    assert time.clock_gettime(time.CLOCK_BOOTTIME) >= now + 0.02
    alarm.silence()
    assert not rings(alarm)
    alarm.set(-1.0)
    assert rings(alarm)
    alarm.set(float("inf"))
    assert not rings(alarm)
    alarm.close()


def test_a_bell_rings_until_it_is_silenced():
    bell = Bell()
    assert not rings(bell)
    bell.ring()
    bell.ring()
    assert rings(bell)
    bell.silence()
    assert not rings(bell)
    bell.silence()
    os.close(bell.fileno())


def rings(what, seconds=0.0):
    return bool(select.select([what], [], [], seconds)[0])
