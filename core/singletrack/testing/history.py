"""Judge a history: did every run go as promised?

`check` is a pure function. It takes what the tasks wrote while they executed (`task_log`), the
final records, the locks at the end and what observers saw in between, and answers with a verdict:
each violation a kind and a sentence with the facts. Who executed when is read from the log alone,
never from the ledger that is being judged.

    python -m singletrack.testing.history --log tasks.log --records history.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from singletrack.testing.case import Case
from singletrack.testing.evidence import (
    FinalRecord,
    History,
    Kind,
    Limits,
    LockState,
    Observation,
    Statistics,
    Verdict,
    Violation,
)
from singletrack.testing.rules import RULES
from singletrack.testing.task_log import read

__all__ = [
    "FinalRecord",
    "History",
    "Kind",
    "Limits",
    "LockState",
    "Observation",
    "Statistics",
    "Verdict",
    "Violation",
    "check",
]


def check(history: History, limits: Limits | None = None) -> Verdict:
    """Compare a history with the promise.

    Raises:
        ValueError: two records of one run; the views of others belong into the observations.
    """
    case = Case(history, limits or Limits())
    found = [violation for rule in RULES for violation in rule(case)]
    return Verdict(violations=tuple(found), statistics=_statistics(case))


def _statistics(case: Case) -> Statistics:
    states = Counter(str(record.state) for record in case.records.values() if record.state)
    return Statistics(
        events=len(case.history.events),
        runs=len(case.runs),
        starts=len(case.starts),
        unfinished_starts=sum(not span.ended for span in case.starts),
        locks=len({*case.owners, *(span.lock for span in case.spans)}),
        observations=len(case.history.observations),
        forgiven_overlaps=sum(overlap.forgiven for overlap in case.overlaps),
        largest_overlap_ms=max((overlap.whole_ms for overlap in case.overlaps), default=0.0),
        states=states,
    )


def load(log: Path, records: Path) -> History:
    """A history from a task log and a JSON file.

    The file holds an object with the lists `records`, `observations` and `locks`, or the list of
    records alone; the fields are those of FinalRecord, Observation and LockState.
    """
    given: Any = json.loads(records.read_text())
    lists = given if isinstance(given, dict) else {"records": given}
    locks = lists.get("locks")
    return History(
        events=read(log),
        records=[FinalRecord(**fields) for fields in lists.get("records", [])],
        observations=[Observation(**fields) for fields in lists.get("observations", [])],
        locks=None if locks is None else [LockState(**fields) for fields in locks],
    )


def main(arguments: list[str] | None = None) -> int:
    """Say in sentences whether the promise holds; 1 if not, 2 if the files are no history."""
    usual = Limits()
    parser = argparse.ArgumentParser(prog="singletrack.testing.history", description=main.__doc__)
    parser.add_argument("--log", type=Path, required=True, help="what the tasks wrote")
    parser.add_argument("--records", type=Path, required=True, help=load.__doc__)
    parser.add_argument("--max-attempts", type=int, default=usual.max_attempts)
    parser.add_argument("--grace-ms", type=float, default=usual.grace_ms)
    parser.add_argument("--frozen-ms", type=float, default=usual.frozen_ms)
    given = parser.parse_args(arguments)
    limits = Limits(
        max_attempts=given.max_attempts, grace_ms=given.grace_ms, frozen_ms=given.frozen_ms
    )
    try:
        verdict = check(load(given.log, given.records), limits)
    except (OSError, ValueError, TypeError) as error:
        parser.error(str(error))
    sys.stdout.write(f"{verdict}\n")
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
