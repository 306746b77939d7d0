"""What an operation is, and the two words most of them answer with."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Generic, TypeVar

R_co = TypeVar("R_co", covariant=True)


class Operation(Generic[R_co]):
    """Something the ledger does atomically; `R` is what it answers."""

    __slots__ = ()


class Verdict(StrEnum):
    """The short answer of an operation on a claim."""

    OK = "OK"  # done, or already done by the same caller
    UNKNOWN = "UNKNOWN"  # there is no such record
    DROP = "DROP"  # not yours, or too late: forget the message
    RECOVERING = "RECOVERING"  # the server is unblessed: try again later
    CANCEL = "CANCEL"  # somebody asked the run to stop
    CONFLICT = "CONFLICT"  # the id is taken by a run with other content


class Cause(StrEnum):
    """Why a child process is gone, as its agent knows it."""

    DIED = "DIED"  # it ended by itself, or somebody outside killed it
    OUT_OF_MEMORY = "OUT_OF_MEMORY"  # the kernel killed it because the worker's memory was used up
    CANCELLED = "CANCELLED"  # the agent killed it because the run was cancelled
    TIMED_OUT = "TIMED_OUT"  # the agent killed it because its time was over
    FENCED = "FENCED"  # the agent killed it because the lease could not be renewed


def describe(operation: Operation[Any]) -> str:
    """The operation's name in logs and metrics: `Submit` is `submit`, `ListDue` is `list_due`."""
    name = type(operation).__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
