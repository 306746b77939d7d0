"""What a run is and how it ended, as text: for whoever must remember a run the ledger may forget.

A message of ours carries what the broker's own fields do not say of its run, and a lease agent
keeps the specification of every run its worker starts. The envelope is not part of it: a run that
has started is never published again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any

from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.retries import Retry
from singletrack.run import Door, Failure, Outcome, RunSpec, encode_json

LARGEST = 100_000
"""Characters. What is larger is not remembered: it would not fit into a packet to the agent."""

_IN_MESSAGES = frozenset({"run_id", "task", "args", "kwargs", "queue"})
_DEFAULTS = tuple(
    (it.name, it.default if it.default_factory is MISSING else it.default_factory())
    for it in fields(RunSpec)
    if it.name != "envelope"
)
_READ: Mapping[str, Callable[[Any], Any]] = {
    "args": tuple,
    "door": Door,
    "policy": Policy,
    "on_lost": OnLost,
    "retry": Retry.read,
}


def to_header(spec: RunSpec) -> dict[str, Any]:
    """What Celery's message of a run does not say of it."""
    said = _to_fields(spec)
    return {name: value for name, value in said.items() if name not in _IN_MESSAGES}


def of_message(header: Mapping[str, Any], **said: Any) -> RunSpec:
    """The run of a message: what its header holds, and what the broker's own fields say.

    Raises:
        ValueError: the header is not one of ours.
    """
    return _build({**header, **said})


def write_spec(spec: RunSpec) -> str:
    """As text; empty if that would be too large."""
    return _unless_large(_to_fields(spec))


def read_spec(text: str) -> RunSpec:
    """What `write_spec` has written.

    Raises:
        ValueError: it was not.
    """
    return _build(json.loads(text))


def write_outcome(outcome: Outcome) -> str:
    """As text; empty if that would be too large."""
    failure = outcome.failure
    why = failure and [*_texts_of(failure), *(failure.exit.write() if failure.exit else ("", ""))]
    return _unless_large([outcome.state, outcome.result, why, outcome.retry_after_seconds])


def read_outcome(text: str) -> Outcome:
    """What `write_outcome` has written.

    Raises:
        ValueError: it was not.
    """
    try:
        state, result, why, retry_after = json.loads(text)
        failure = why and Failure(
            reason=why[0],
            message=why[1],
            error_type=why[2],
            traceback=why[3],
            exit=Exit.read(why[4], why[5]),
        )
        return Outcome(
            state=State(state), result=result, failure=failure, retry_after_seconds=retry_after
        )
    except (TypeError, IndexError, KeyError) as error:
        raise ValueError(f"not an outcome: {error}") from error


def _texts_of(failure: Failure) -> list[str]:
    return [failure.reason, failure.message, failure.error_type, failure.traceback]


def _to_fields(spec: RunSpec) -> dict[str, Any]:
    """Every field that does not have its default; equal specifications give equal fields."""
    said = {}
    for name, default in _DEFAULTS:
        value = getattr(spec, name)
        if value != default:
            said[name] = asdict(value) if isinstance(value, Retry) else value
    return said


def _build(said: Mapping[str, Any]) -> RunSpec:
    try:
        return RunSpec(**{name: _READ[name](v) if name in _READ else v for name, v in said.items()})
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not a run: {error}") from error


def _unless_large(value: Any) -> str:
    text = encode_json(value)
    return text if len(text) <= LARGEST else ""
