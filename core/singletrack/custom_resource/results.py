"""What of a run's result the resource itself can carry, and where the rest is to be read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from singletrack.custom_resource import MAX_INLINE_RESULT_BYTES
from singletrack.lifecycle import State
from singletrack.run import Run

_NOTHING = "null"
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where the result is: the answer to `ResultStored`, and the value if it stands right here."""

    status: str
    reason: str
    message: str
    inline: bool = False
    value: Any = None


def of(run: Run | None) -> Stored:
    """Where the result of this run is, if there is one."""
    if run is None or not run.terminal:
        return Stored(status="Unknown", reason="NotFinished", message="there is no result yet")
    if run.state is State.JOINED:
        message = f"the result is that of run {run.holder}; read it with GET {_path(run)}"
        return Stored(status="Unknown", reason="Joined", message=message)
    if run.state is not State.SUCCEEDED:
        return Stored(status="False", reason="NoResult", message="the task did not return")
    if run.result is None or run.result == _NOTHING:
        return Stored(status="True", reason="Nothing", message="the task returned nothing")
    size = len(run.result.encode("utf-8", "replace"))
    value = _small_enough(run.result) if size <= MAX_INLINE_RESULT_BYTES else None
    if value is None:
        return _elsewhere(run, size)
    return Stored(
        status="True",
        reason="Inline",
        message="status.result has it",
        inline=True,
        value=value,
    )


def none() -> Stored:
    """For a TaskRun that ended without a record."""
    return Stored(status="False", reason="NoResult", message="the task did not return")


def _elsewhere(run: Run, size: int) -> Stored:
    return Stored(
        status="True",
        reason="External",
        message=f"the result takes {size} bytes; read it with GET {_path(run)}",
    )


def _path(run: Run) -> str:
    return f"/v1/namespaces/{run.spec.namespace}/runs/{run.run_id}/result"


def _small_enough(text: str) -> Any:
    """The value, None if it is nested too deeply or Kubernetes could not carry it."""
    try:
        value = json.loads(text)
        return value if _kubernetes_can_carry(value) else None
    except RecursionError:
        return None


def _kubernetes_can_carry(value: Any) -> bool:
    """Not so integers of more than 64 bits, which would lose digits, and lone surrogates."""
    match value:
        case bool() | None | float():
            return True
        case int():
            return _SMALLEST <= value <= _LARGEST
        case str():
            return value.isascii() or value.encode("utf-8", "replace").decode() == value
        case list():
            return all(map(_kubernetes_can_carry, value))
        case dict():
            return all(_kubernetes_can_carry(part) for pair in value.items() for part in pair)
        case _:
            return False
