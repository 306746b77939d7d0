"""Trees that resist, under a whole worker: dead within the grace, and only then the lock moves."""

import time

import pytest
from support.local_platform import alive, with_tasks
from support.waiting import wait_until

from singletrack.lifecycle import State
from singletrack.policies import Policy

GRACE = 0.5

#: Measured 0.6 s after the grace. Less than a lease, at whose end the lock would move as well.
LATE_SECONDS = 3.0

TASKS = """
import collections, itertools, os, pathlib, signal, subprocess, sys, threading, time
from singletrack import task
from singletrack_worker.demo_tasks import *

PIDS = pathlib.Path(os.environ["TEST_PIDS"])
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"

def note(pid):
    with PIDS.open("a") as file:
        file.write(f"{pid}\\n")

def deaf(**options):
    note(subprocess.Popen([sys.executable, "-S", "-c", DEAF], **options).pid)

def ready():
    note(os.getpid())
    note("ready")

def forked(act):
    if os.fork() == 0:
        act()
        os._exit(0)

def daemon(double):
    def first():
        os.setsid()
        if double:
            forked(second)
        else:
            second()
    def second():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note(os.getpid())
        time.sleep(600)
    forked(first)

def stubborn():
    while True:
        try:
            time.sleep(600)
        except SystemExit:
            pass

@task(name="family", lock="tree")
def family():
    deaf()
    deaf(start_new_session=True)
    daemon(double=False)
    daemon(double=True)
    while len(PIDS.read_text().split()) < 4:
        time.sleep(0.01)
    ready()
    stubborn()

@task(name="threads", lock="tree")
def threads():
    for _ in range(4):
        threading.Thread(target=time.sleep, args=(600,)).start()
    ready()
    stubborn()

@task(name="holds_the_gil", lock="tree")
def holds_the_gil():
    ready()
    collections.deque(itertools.repeat(0), maxlen=0)  # for ever in C, and never looks at signals

@task(name="bomb", lock="tree")
def bomb():
    until = time.monotonic() + 0.7
    def spread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note(os.getpid())
        while time.monotonic() < until:
            forked(lambda: (note(os.getpid()), time.sleep(600)))
            time.sleep(0.02)
        time.sleep(600)
    for _ in range(8):
        forked(spread)
    ready()
    stubborn()
"""


def pids_in(file):
    words = file.read_text().split() if file.exists() else []
    return "ready" in words, {int(word) for word in words if word != "ready"}


@pytest.mark.parametrize("grace", [GRACE, 0.0], ids=["Graceful", "Force"])
@pytest.mark.parametrize("tree", ["family", "threads", "holds_the_gil", "bomb"])
def test_a_tree_that_resists_is_dead_within_the_grace_and_then_the_lock_moves(
    platform, tree, grace
):
    file = platform.folder / "pids"
    tasks = with_tasks(platform.folder, "tree_tasks", TASKS)
    worker = platform.start_worker(2, TEST_PIDS=str(file), **tasks)
    first = platform.submit(tree, lock="tree")
    second = platform.submit("add", {"x": 1, "y": 1}, lock="tree", policy=Policy.QUEUE)
    wait_until(lambda: pids_in(file)[0], 20, "the tree to stand")
    asked = time.monotonic()
    platform.cancel(first, grace_seconds=grace)
    survivors = []

    def moved():
        run = platform.run(second)
        if run.state is State.QUEUED:
            return False
        survivors.extend(filter(alive, pids_in(file)[1]))
        return True

    wait_until(moved, 20, "the lock to move on")
    took = time.monotonic() - asked
    assert survivors == []
    assert took < grace + LATE_SECONDS
    assert platform.wait_for_end(first).state is State.CANCELLED
    assert platform.wait_for_end(second).state is State.SUCCEEDED
    assert worker.poll() is None
    platform.assert_promise_held()


def test_a_run_with_a_long_grace_ends_at_once_when_it_is_forced(platform):
    platform.start_worker(1)
    run_id = platform.submit("sleep_with_child", {"seconds": 600, "stubborn": True})
    platform.wait_for_begin(run_id)
    pids = wait_until(lambda: len(p := {e.pid for e in platform.events(run_id)}) == 2 and p)
    platform.cancel(run_id, grace_seconds=600)
    wait_until(lambda: "run_stopping" in platform.worker_log(), 20)
    assert platform.run(run_id).state is State.RUNNING
    platform.cancel(run_id, grace_seconds=0)
    assert platform.wait_for_end(run_id).state is State.CANCELLED
    assert not any(alive(pid) for pid in pids)
    platform.assert_promise_held()
