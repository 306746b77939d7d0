"""`make mutations`: remove every guard in turn; fail if one is missed by a test that names it."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mutations.guard import Guard
from mutations.ledger_guards import LEDGER_GUARDS
from mutations.process_guards import PROCESS_GUARDS
from mutations.removing import PASSED, ROOT, Copy, find_problem, unnoticed
from mutations.retry_guards import RETRY_GUARDS


def main(words: Sequence[str]) -> int:
    """Only guards whose name holds all the words, if there are any."""
    chosen = [
        guard
        for guard in (*LEDGER_GUARDS, *RETRY_GUARDS, *PROCESS_GUARDS)
        if all(word in guard.name for word in words)
    ]
    moved = [problem for guard in chosen if (problem := find_problem(ROOT, guard))]
    if moved or not chosen:
        say(*(moved or ["no guard has such a name"]))
        return 1
    with tempfile.TemporaryDirectory() as folder:
        return judge(chosen, Copy(Path(folder)))


def judge(guards: Sequence[Guard], copy: Copy) -> int:
    say(f"with every guard, the tests that {len(guards)} guards name …")
    verdicts = copy.run(test for guard in guards for test in guard.tests)
    broken = [f"{test}: {found}" for test, found in verdicts.items() if found != PASSED]
    if broken:
        say("these fail already:", *broken)
        return 1
    missed = [guard for number, guard in enumerate(guards, 1) if not noticed(number, guard, copy)]
    say(f"{len(guards) - len(missed)} of {len(guards)} guards are missed when they are gone")
    return 1 if missed else 0


def noticed(number: int, guard: Guard, copy: Copy) -> bool:
    began = time.monotonic()
    with copy.without(guard):
        silent = unnoticed(guard, copy.run(guard.tests))
    word = "NOT NOTICED" if silent else "noticed"
    took = time.monotonic() - began
    say(f"{number:3} {word:12} {took:5.1f} s  {guard.name}", *(f"      {s}" for s in silent))
    return not silent


def say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
