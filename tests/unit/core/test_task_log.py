"""What a task writes about itself: whole lines from many processes, and a reader that tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support.waiting import wait_until

from singletrack.testing.task_log import (
    LONGEST_LINE,
    Event,
    GarbledLine,
    Mark,
    TaskLog,
    read,
    spans,
)

RUN: dict[str, Any] = {"run": "r1", "lock": "default/a", "token": 7, "attempt": 1}

WRITER = """
import sys
from singletrack.testing.task_log import Event, Mark, TaskLog
log = TaskLog(sys.argv[1])
event = Event.now(Mark.ALIVE, run=sys.argv[2], lock="l" * 3500, token=1, attempt=1)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(2000):
    log.write(event)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.log"


@pytest.fixture
def environment() -> dict[str, str]:
    """A child process imports from where this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def marks(path: Path) -> list[Mark]:
    return [event.event for event in read(path)]


class Interrupted(threading.Thread):
    """A thread whose start is interrupted by a signal's exception, when it runs already."""

    def start(self) -> None:
        super().start()
        raise SystemExit(143)


def test_a_recording_that_is_interrupted_as_it_begins_says_nothing_after_its_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "Thread", Interrupted)
    with pytest.raises(SystemExit), TaskLog(path).recording(**RUN):
        pytest.fail("the block is not entered")
    assert not [thread for thread in threading.enumerate() if thread.name == "task-log"]
    assert (marks(path)[0], marks(path)[-1]) == (Mark.BEGIN, Mark.END)


def test_a_recording_writes_begin_alive_and_end_in_the_order_of_time(path: Path) -> None:
    with TaskLog(path).recording(**RUN):
        wait_until(lambda: len(read(path)) >= 3)
    events = read(path)
    begin, *alive, end = [event.event for event in events]
    assert (begin, set(alive), end) == (Mark.BEGIN, {Mark.ALIVE}, Mark.END)
    times = [event.boottime_ns for event in events]
    assert times == sorted(times)
    for event in events:
        said = (event.run, event.lock, event.token, event.attempt, event.pid)
        assert said == (*RUN.values(), os.getpid())


def test_an_exception_ends_the_recording_and_passes(path: Path) -> None:
    with pytest.raises(SystemExit), TaskLog(path).recording(**RUN):
        sys.exit(3)
    assert marks(path)[-1] is Mark.END


def test_no_thread_is_left_and_nothing_follows_the_end(path: Path) -> None:
    before = set(threading.enumerate())
    with TaskLog(path).recording(**RUN):
        assert set(threading.enumerate()) - before
    assert set(threading.enumerate()) == before
    assert marks(path)[-1] is Mark.END


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with TaskLog(None).recording(**RUN):
        assert not [thread for thread in threading.enumerate() if thread.name == "task-log"]
    assert not list(tmp_path.iterdir())


def test_two_processes_that_write_at_once_never_tear_a_line(path: Path, environment) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        for name in ("a", "b")
    ]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    runs = [event.run for event in read(path)]
    assert (runs.count("a"), runs.count("b")) == (2000, 2000)


def test_a_line_that_could_be_torn_is_refused(path: Path) -> None:
    event = Event.now(Mark.ALIVE, run="r", lock="l" * LONGEST_LINE, token=1, attempt=1)
    with pytest.raises(ValueError, match="limit is 4095"):
        TaskLog(path).write(event)
    assert not path.exists()


def test_a_torn_last_line_is_passed_over(path: Path) -> None:
    with TaskLog(path).recording(**RUN):
        pass
    whole = path.read_bytes()
    for length in range(1, len(whole.splitlines()[-1])):
        path.write_bytes(whole[: -length - 1])
        assert Mark.END not in marks(path)
    path.write_bytes(whole[:-1])  # nothing but the line's end is missing
    assert marks(path)[-1] is Mark.END


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"}",
        b"\xff\xfe",
        b"[1]",
        b'{"event": "begin"}',
        b'{"event": "sleep", "run": "r", "lock": "l", "token": 1, "attempt": 1, "pid": 1, '
        b'"boottime_ns": 1}',
        b'{"event": "begin", "run": "r", "lock": "l", "token": "1", "attempt": 1, "pid": 1, '
        b'"boottime_ns": 1}',
        b'{"event": "begin", "run": "r", "lock": null, "token": 1, "attempt": 1, "pid": 1, '
        b'"boottime_ns": 1}',
    ],
)
def test_any_other_line_that_is_no_event_is_reported_with_its_number(
    path: Path, garbage: bytes
) -> None:
    with TaskLog(path).recording(**RUN):
        pass
    path.write_bytes(path.read_bytes().splitlines()[0] + b"\n" + garbage + b"\n")
    with pytest.raises(GarbledLine, match=r"tasks\.log:2 "):
        read(path)


def test_a_child_process_writes_for_the_run_until_it_is_killed(path: Path, environment) -> None:
    log = TaskLog(path)
    with log.recording(**RUN):
        command = [*log.child_command(**RUN), "--stubborn"]
        child = subprocess.Popen(command, env=environment)
        wait_until(lambda: child.pid in {event.pid for event in read(path)})
    ended = next(event.boottime_ns for event in read(path) if event.event is Mark.END)
    child.terminate()
    wait_until(lambda: read(path)[-1].boottime_ns > ended)
    child.kill()
    child.wait()
    (span,) = spans(read(path))
    assert span.ended
    assert span.last_ns > ended


def test_a_child_process_stops_by_itself_in_the_end(path: Path, environment) -> None:
    command = [*TaskLog(path).child_command(**RUN), "--seconds=0.05"]
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert set(marks(path)) == {Mark.ALIVE}


def test_lines_without_a_begin_are_a_span_of_their_own() -> None:
    begin = Event(event=Mark.BEGIN, pid=1, boottime_ns=5, **RUN)
    stray = Event(event=Mark.ALIVE, pid=2, boottime_ns=3, **RUN)
    foreign = Event(event=Mark.ALIVE, pid=1, boottime_ns=6, **{**RUN, "token": 8})
    assert [(span.begun, span.token) for span in spans([begin, foreign, stray])] == [
        (False, 7),
        (True, 7),
        (False, 8),
    ]


def test_a_child_belongs_to_the_start_in_which_it_was_first_seen() -> None:
    lines = [
        (Mark.BEGIN, 1, 10),
        (Mark.ALIVE, 9, 20),  # its child
        (Mark.BEGIN, 2, 30),
        (Mark.ALIVE, 9, 40),
        (Mark.END, 2, 50),
    ]
    events = [Event(event=mark, pid=pid, boottime_ns=at, **RUN) for mark, pid, at in lines]
    assert [(span.instants, span.ended) for span in spans(events)] == [
        ((10, 20, 40), False),
        ((30, 50), True),
    ]


def test_only_the_process_that_began_can_end() -> None:
    lines = [(Mark.BEGIN, 1, 10), (Mark.ALIVE, 9, 20), (Mark.END, 9, 30)]
    events = [Event(event=mark, pid=pid, boottime_ns=at, **RUN) for mark, pid, at in lines]
    (span,) = spans(events)
    assert not span.ended


def test_a_line_is_one_json_object(path: Path) -> None:
    TaskLog(path).write(Event(event=Mark.END, pid=4, boottime_ns=9, **RUN))
    assert json.loads(path.read_text()) == {**RUN, "event": "end", "pid": 4, "boottime_ns": 9}
