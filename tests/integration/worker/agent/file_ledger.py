"""A ledger in a folder: it records every operation and answers as a test has told it to.

`control.json` is what the test says, `operations.jsonl` what was asked, `events.jsonl` what the
processes of the test say of themselves. `wake` is a pipe of run ids.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from singletrack import operations as ops
from singletrack.errors import LedgerUnavailable
from singletrack.lifecycle import State
from singletrack.operations import Verdict
from singletrack.run import Cancellation
from singletrack_worker.agent import processes

FOLDER = "SINGLETRACK_TEST_FOLDER"


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def append(file: Path, entry: dict[str, Any]) -> None:
    """One line, in one write, so that many processes may share a file."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(entry, default=str).encode() + b"\n")
    finally:
        os.close(descriptor)


def lines(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


class FileLedger:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pause = threading.Event()

    @classmethod
    def from_settings(cls, _settings: object) -> FileLedger:
        return cls(Path(os.environ[FOLDER]))

    def execute(self, operation: Any) -> Any:
        asked = boottime()
        while self._control()["mode"] == "hang":
            self._pause.wait(0.005)
        self._record(operation, asked)
        if self._control()["mode"] == "unavailable":
            raise LedgerUnavailable
        if isinstance(operation, ops.Renew):
            return self._renew(operation)
        return ops.EndReply(verdict=Verdict.OK, state=State.LOST)

    def execute_durably(self, operation: Any) -> Any:
        return self.execute(operation)

    def wakeups(self) -> Iterator[str]:
        with (self._folder / "wake").open() as pipe:
            for line in pipe:
                yield line.strip()

    def close(self) -> None:
        return

    def _renew(self, operation: ops.Renew) -> ops.RenewReply:
        control = self._control()
        answers = []
        for run_id, nonce in operation.leases:
            verdict, cancellation = Verdict.OK, None
            if run_id in control["drop"]:
                verdict = Verdict.DROP
            elif run_id in control["cancel"]:
                verdict = Verdict.CANCEL
                grace = control["cancel"][run_id]
                cancellation = Cancellation(by="test", grace_seconds=grace)
            answers.append(
                ops.LeaseAnswer(
                    run_id=run_id, nonce=nonce, verdict=verdict, cancellation=cancellation
                )
            )
        return ops.RenewReply(blessed=control["blessed"], answers=tuple(answers))

    def _record(self, operation: Any, asked: float) -> None:
        entry = {
            "op": type(operation).__name__,
            "at": boottime(),
            "asked": asked,
            **dataclasses.asdict(operation),
        }
        if isinstance(operation, ops.ChildGone | ops.NotStarted):
            entry["alive"] = self._alive()
        append(self._folder / "operations.jsonl", entry)

    def _alive(self) -> list[int]:
        """Who of the run's processes still lives at this moment."""
        events = lines(self._folder / "events.jsonl")
        pids = {event["pid"] for event in events if event["event"] in ("relative", "started")}
        return [pid for pid in pids if (p := processes.find(pid)) and not p.dead]

    def _control(self) -> dict[str, Any]:
        control: dict[str, Any] = json.loads((self._folder / "control.json").read_text())
        return control
