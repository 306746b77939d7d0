"""What a check has found: a weak point of an installation, in one sentence, and what mends it.

The checks a component makes when it starts and those of `singletrack doctor` are the same pure
functions from facts to findings: an error stops the component, the doctor tells all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    INFO = "info"  # worth knowing; nothing has to be done
    WARNING = "warning"  # it works, and one day it will not
    ERROR = "error"  # runs are not executed, or the promise does not hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One weak point."""

    severity: Severity
    problem: str
    """One sentence without its full stop: what was found and what it means."""
    remedy: str
    """The command or setting that mends it."""

    def __str__(self) -> str:
        return f"{self.problem.rstrip('.')}. {self.remedy}"


def info(problem: str, remedy: str) -> Finding:
    return Finding(severity=Severity.INFO, problem=problem, remedy=remedy)


def warning(problem: str, remedy: str) -> Finding:
    return Finding(severity=Severity.WARNING, problem=problem, remedy=remedy)


def error(problem: str, remedy: str) -> Finding:
    return Finding(severity=Severity.ERROR, problem=problem, remedy=remedy)
