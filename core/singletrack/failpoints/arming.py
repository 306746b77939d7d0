"""Which failpoints fire, when and how: from text to actions, in an armed process.

A process is armed by `SINGLETRACK_FAILPOINTS`, a list such as

    gate.started:kill9, child>ledger.sent/start:drop-reply@2, agent.renew:delay(500)

(`process>point/detail:action@nth`; only point and action are required), which may be empty, and
only if `SINGLETRACK_FAILPOINTS_ARE_FOR` says `tests`. From then on it also follows the file `armed`
in `SINGLETRACK_FAILPOINTS_FOLDER`: a number and such a list, the number new with each change.

Each entry fires once: at its nth passage, counted over all processes that share the folder. Before
it acts it writes a line to `fired.log` there.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from singletrack.errors import ConfigurationError
from singletrack.failpoints.points import POINTS

LIST = "SINGLETRACK_FAILPOINTS"
PURPOSE = "SINGLETRACK_FAILPOINTS_ARE_FOR"
FOLDER = "SINGLETRACK_FAILPOINTS_FOLDER"

ARMED = "armed"
FIRED = "fired.log"

_ENTRY = re.compile(
    r"(?:(?P<process>[a-z]+)>)?(?P<point>[a-z.]+)(?:/(?P<detail>\w+))?"
    r":(?P<action>kill9|stop|raise|drop-reply|delay)(?:\((?P<ms>\d+)\))?(?:@(?P<nth>[1-9]\d*))?"
)


class Raised(Exception):
    """What `raise` raises: an error that no code expects."""


class ReplyDropped(ConnectionResetError):
    """What `drop-reply` raises: the request took effect, its answer never came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One failpoint, armed."""

    point: str
    action: str
    process: str = ""
    detail: str = ""
    nth: int = 1
    ms: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one entry of a list.

        Raises:
            ConfigurationError: it is none, or names a point or an action that is not there.
        """
        found = _ENTRY.fullmatch(text)
        if found is None:
            raise ConfigurationError(
                f"{LIST}: {text!r} is not [process>]point[/detail]:action[@nth], with an action of "
                "kill9, stop, raise, drop-reply, delay(milliseconds)"
            )
        point, action = found["point"], found["action"]
        if point not in POINTS:
            raise ConfigurationError(f"{LIST}: there is no failpoint {point!r}")
        if action == "drop-reply" and not POINTS[point].answers:
            raise ConfigurationError(f"{LIST}: no reply comes at {point!r}, so none can be dropped")
        return cls(
            point=point,
            action=action,
            process=found["process"] or "",
            detail=found["detail"] or "",
            nth=int(found["nth"] or 1),
            ms=int(found["ms"] or 0),
        )

    def matches(self, process: str, point: str, detail: str) -> bool:
        return self.point == point and self.detail in {"", detail} and self.process in {"", process}


def parse(text: str) -> tuple[Entry, ...]:
    """A list of entries, separated by commas."""
    return tuple(Entry.parse(part.strip()) for part in text.split(",") if part.strip())


class Armed:
    """The failpoints of one process and of those it forks."""

    def __init__(self, process: str, folder: Path, entries: tuple[Entry, ...]) -> None:
        self._process = process
        self._pid = os.getpid()
        self._folder = folder
        self._number = "0"
        self._entries = entries
        self._seen: tuple[int, int] | None = None

    @classmethod
    def from_environment(cls, process: str, environment: Mapping[str, str]) -> Self:
        """As the environment says.

        Raises:
            ConfigurationError: it does not say that this is a test, or where its folder is.
        """
        if environment.get(PURPOSE) != "tests" or not environment.get(FOLDER):
            raise ConfigurationError(
                f"{LIST} is set, which makes processes die on purpose: unset it, or, in a test, "
                f"set {PURPOSE}=tests and {FOLDER}"
            )
        return cls(process, Path(environment[FOLDER]), parse(environment[LIST]))

    def reach(self, point: str, detail: str) -> None:
        """Act if an entry says so.

        Raises:
            KeyError: the point is not declared.
            Raised, ReplyDropped: an entry says so.
        """
        declared = POINTS[point]
        if bool(detail) != declared.detailed:
            raise KeyError(f"{point} with the detail {detail!r}")
        self._follow()
        process = self._process if os.getpid() == self._pid else "child"
        passed = [
            (index, entry)
            for index, entry in enumerate(self._entries)
            if entry.matches(process, point, detail)
        ]
        # All of them count this passage before one acts, which may be the last that is done here.
        for entry in [entry for index, entry in passed if self._is_nth(index, entry.nth)]:
            self._note(entry, process, point, detail)
            _act(entry)

    def _follow(self) -> None:
        """Take in the file if it is another one than the last time."""
        try:
            status = (self._folder / ARMED).stat()
            if (seen := (status.st_ino, status.st_mtime_ns)) == self._seen:
                return
            number, _, text = (self._folder / ARMED).read_text().partition(" ")
        except FileNotFoundError:
            return
        self._seen, self._number, self._entries = seen, number, parse(text)

    def _is_nth(self, index: int, nth: int) -> bool:
        """Count this passage in a file that all processes append to; the position is the number."""
        return _append(self._folder / f"passages-{self._number}-{index}", b".") == nth

    def _note(self, entry: Entry, process: str, point: str, detail: str) -> None:
        line = {
            "number": self._number,
            "point": point,
            "detail": detail,
            "action": entry.action,
            "process": process,
            "pid": os.getpid(),
            "boottime_ns": time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        }
        _append(self._folder / FIRED, json.dumps(line).encode() + b"\n")


def _append(path: Path, data: bytes) -> int:
    """Append in one write and answer the size of the file up to the end of what was written."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, data)
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)


def _act(entry: Entry) -> None:
    match entry.action:
        case "kill9":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "delay":
            time.sleep(entry.ms / 1000)
        case "drop-reply":
            raise ReplyDropped(f"the reply was dropped at {entry.point}")
        case _:
            raise Raised(f"failpoint {entry.point}")
