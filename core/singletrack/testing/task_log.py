"""What a task writes about itself while it executes, and how to read it afterwards.

    with TaskLog(os.environ.get(VARIABLE)).recording(run=…, lock=…, token=…, attempt=…):
        ...

One line at the begin, one every 20 ms, one at the end. All processes of a machine share
CLOCK_BOOTTIME, so the lines of different processes can be compared; a process that was killed
executed at least until its last line, so an overlap that the log shows is proven, never guessed.

`python -m singletrack.testing.task_log` is a child process that a task starts: it writes "alive"
lines with its own pid for the run that started it, so one that survives its run is seen.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

#: Where a caller finds the path of the log; this module never looks for itself.
VARIABLE = "SINGLETRACK_TASK_LOG"

ALIVE_SECONDS = 0.02
LONGEST_LINE = 4096  # bytes; a shorter append is never mixed with another process's


class Mark(StrEnum):
    BEGIN = "begin"
    ALIVE = "alive"
    END = "end"  # the code returned or raised; a killed process writes none


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the log."""

    event: Mark
    run: str
    lock: str
    token: int
    attempt: int
    pid: int
    boottime_ns: int

    @classmethod
    def now(cls, event: Mark, *, run: str, lock: str, token: int, attempt: int) -> Event:
        """What this process says at this moment."""
        return cls(
            event=event,
            run=run,
            lock=lock,
            token=token,
            attempt=attempt,
            pid=os.getpid(),
            boottime_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        )


class GarbledLine(ValueError):
    """A line of the log that no task has written so."""


class TaskLog:
    """The log as a task writes it; without a path nothing is written."""

    def __init__(self, path: str | Path | None) -> None:
        self.path = path

    def write(self, event: Event) -> None:
        """Append one line by one `write()`, which no other process can interrupt."""
        if self.path is None:
            return
        line = json.dumps(dataclasses.asdict(event)).encode() + b"\n"
        if len(line) >= LONGEST_LINE:
            raise ValueError(f"A line of {len(line)} bytes; the limit is {LONGEST_LINE - 1}.")
        descriptor = os.open(
            self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644
        )
        try:
            written = os.write(descriptor, line)
        finally:
            os.close(descriptor)
        if written != len(line):
            raise OSError(f"Only {written} of {len(line)} bytes fitted into {self.path}.")

    @contextlib.contextmanager
    def recording(self, *, run: str, lock: str, token: int, attempt: int) -> Iterator[None]:
        """Write "begin" now, "alive" every 20 ms from a thread, "end" when the block is left."""
        if self.path is None:
            yield
            return
        begin = Event.now(Mark.BEGIN, run=run, lock=lock, token=token, attempt=attempt)
        left = threading.Event()
        thread = threading.Thread(
            target=self.keep_alive, args=(begin, left), name="task-log", daemon=True
        )
        try:  # from the first line on: a run that is stopped now would be "alive" for ever
            self.write(begin)
            thread.start()
            yield
        finally:
            left.set()
            with contextlib.suppress(RuntimeError):  # it was not started any more
                thread.join()
            self.write(Event.now(Mark.END, run=run, lock=lock, token=token, attempt=attempt))

    def keep_alive(self, of: Event, until: threading.Event) -> None:
        """Write an "alive" line for the run of an event every 20 ms, until told to stop."""
        while not until.wait(ALIVE_SECONDS):
            self.write(
                Event.now(Mark.ALIVE, run=of.run, lock=of.lock, token=of.token, attempt=of.attempt)
            )

    def child_command(self, *, run: str, lock: str, token: int, attempt: int) -> list[str]:
        """The command of a child process that writes "alive" lines for the run until it is killed.

        It stops by itself after a minute; add `--seconds N` for another time, `--stubborn` for one
        that ignores SIGTERM.
        """
        words = [sys.executable, "-m", "singletrack.testing.task_log", f"--log={self.path}"]
        return [
            *words,
            f"--run={run}",
            f"--lock={lock}",
            f"--token={token}",
            f"--attempt={attempt}",
        ]


def read(path: str | Path) -> list[Event]:
    """The events of a log in the order of its lines.

    The last line may be torn, as a machine that stops or a reader that comes too early leaves it;
    it is passed over. Any other line that is no event raises GarbledLine.
    """
    *lines, rest = Path(path).read_bytes().split(b"\n")
    events = [_parsed(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]
    with contextlib.suppress(GarbledLine):
        events.append(_parsed(rest, str(path)))
    return events


def _parsed(line: bytes, where: str) -> Event:
    try:
        fields = json.loads(line)
        fields["event"] = Mark(fields["event"])
        event = Event(**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise GarbledLine(f"{where} is no event of a task: {line[:200]!r}") from error
    texts = (event.run, event.lock)
    numbers = (event.token, event.attempt, event.pid, event.boottime_ns)
    if any(type(text) is not str for text in texts) or any(type(n) is not int for n in numbers):
        raise GarbledLine(f"{where} has a field of the wrong type: {line[:200]!r}")
    return event


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One start of a run's code and all it wrote: its processes, children included."""

    run: str
    lock: str
    token: int
    attempt: int
    pid: int
    begun: bool
    """Whether there is a "begin"; without one the log is broken."""
    ended: bool
    """Whether the process that began also wrote its end."""
    instants: tuple[int, ...]
    """The boot times of its lines in ns, ascending."""

    @property
    def first_ns(self) -> int:
        return self.instants[0]

    @property
    def last_ns(self) -> int:
        return self.instants[-1]

    def __str__(self) -> str:
        return f"{self.run} (attempt {self.attempt}, token {self.token}, pid {self.pid})"


def spans(events: Iterable[Event]) -> list[Span]:
    """Each "begin" with the lines that belong to it, in the order in which they began.

    A child process belongs to the span that was the run's latest when it was first seen.
    """
    groups: list[list[Event]] = []
    latest: dict[tuple[str, str, int, int], list[Event]] = {}
    of_process: dict[tuple[str, str, int, int, int], list[Event]] = {}
    for event in sorted(events, key=lambda event: event.boottime_ns):
        key = (event.run, event.lock, event.token, event.attempt)
        process = (*key, event.pid)
        group = of_process.get(process) or latest.get(key)
        if group is None or event.event is Mark.BEGIN:
            group = latest[key] = []
            groups.append(group)
        of_process[process] = group
        group.append(event)
    return [_span(group) for group in groups]


def _span(group: list[Event]) -> Span:
    first = group[0]
    return Span(
        run=first.run,
        lock=first.lock,
        token=first.token,
        attempt=first.attempt,
        pid=first.pid,
        begun=first.event is Mark.BEGIN,
        ended=any(event.event is Mark.END and event.pid == first.pid for event in group),
        instants=tuple(event.boottime_ns for event in group),
    )


def main(arguments: list[str] | None = None) -> None:
    """Write "alive" lines for a run: what a task's child process does."""
    parser = argparse.ArgumentParser(prog="singletrack.testing.task_log", description=main.__doc__)
    for name in ("log", "run", "lock"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("token", "attempt"):
        parser.add_argument(f"--{name}", required=True, type=int)
    parser.add_argument("--seconds", type=float, default=60.0, help="stop by itself after so long")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM")
    given = parser.parse_args(arguments)
    if given.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    over = threading.Event()
    timer = threading.Timer(given.seconds, over.set)
    timer.daemon = True
    timer.start()
    alive = Event.now(
        Mark.ALIVE, run=given.run, lock=given.lock, token=given.token, attempt=given.attempt
    )
    log = TaskLog(given.log)
    log.write(alive)
    log.keep_alive(alive, over)


if __name__ == "__main__":
    main()
