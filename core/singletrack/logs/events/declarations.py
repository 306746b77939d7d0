"""What the declaration of an event says, and what its fields mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial


class Level(StrEnum):
    """How important an event is, as the line says it."""

    DEBUG = "debug"  # asked for when something is looked into
    INFO = "info"  # the usual course of things
    WARNING = "warning"  # something is not as it should be, and is being dealt with
    ERROR = "error"  # somebody has to look at it


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name for ever, how important it is, what it means, and what is on its line."""

    name: str
    level: Level
    meaning: str
    fields: tuple[str, ...] = ()
    """Beside those that every line has; each is on the line when it is known."""
    of_run: bool = False
    """Whether it is about a run, and so says which: `run`, and what else is known of it."""


@dataclass(frozen=True, slots=True)
class Section:
    """The events of one part, or of several."""

    title: str
    events: tuple[Event, ...]


def _event(level: Level, name: str, meaning: str, *fields: str, of_run: bool = False) -> Event:
    return Event(name, level, meaning, fields, of_run)


debug = partial(_event, Level.DEBUG)
info = partial(_event, Level.INFO)
warning = partial(_event, Level.WARNING)
error = partial(_event, Level.ERROR)

#: On every line, or on every line of what is bound to a request: never an argument of a log call.
BOUND = {
    "timestamp": "When, in UTC.",
    "level": "How important.",
    "component": "`api`, `operator`, `worker` or `agent`, which is a worker's lease agent.",
    "event": "The event's name.",
    "run": "The run's id, which is its TaskRun's UID if it has one.",
    "task": "The run's task.",
    "lock": "Its lock, with the namespace.",
    "attempt": "The attempt, from 1 on, once the code is about to start.",
    "trace_id": "The trace it belongs to, where tracing is on.",
    "request": "The id of the request to the API, which it has answered as `X-Request-ID`.",
    "user": "Who has asked the API, where callers are known.",
    "exception": "The traceback, if there was an exception that nobody expected.",
    "logger": "Of a line that is not ours (Celery, kopf, a task's own): the logger it came from.",
}

FIELDS = {
    "action": "What the caller may do: verb and resource.",
    "again_in_seconds": "After how long it is tried again.",
    "agent": "The agent's name: its worker's, and something of its own.",
    "agents": "How many agents have to be heard of.",
    "alive": "Whether the run still executes.",
    "by": "Who has said it.",
    "cause": "Why its processes are stopped: `cancelled`, `timed_out`, `fenced`, …",
    "ended": "How many ended runs the agent remembers.",
    "error": "What went wrong, in a sentence.",
    "expected": "Whether main had said that it stops.",
    "found": "The type of what was found.",
    "how": "How the process ended, if somebody has seen it.",
    "intake": "Where runs go: `kubernetes` or `ledger`.",
    "leases": "How many runs the agent holds.",
    "ledger": "The ledger's server: what it is, and how safe a write to it is.",
    "looked_at": "How many records.",
    "loop": "Which of its loops.",
    "main": "The process id of the worker's main process.",
    "method": "The HTTP method.",
    "ms": "How long it took, in milliseconds.",
    "namespace": "The namespace that was asked for; empty for the cluster.",
    "node": "The node's name.",
    "path": "The path that was asked for, without its query.",
    "phase": "`status.phase` as it was written.",
    "pid": "The process id of the pool's child.",
    "pod": "The Pod.",
    "port": "The port.",
    "problem": "What is wrong: a sentence, or over REST the code of the problem document.",
    "reason": "Why.",
    "remedy": "What mends it.",
    "runs": "How many runs.",
    "server": "The identity of the ledger's server, another one after each start of it.",
    "signal": "The signal's name.",
    "source": "The address the request came from.",
    "state": "The run's state in the ledger, by now.",
    "status": "The status of the answer.",
    "step": "At which step.",
    "taskrun": "The TaskRun's namespace and name.",
    "taskruns": "How many TaskRuns.",
    "tasks": "The names of tasks.",
    "url": "The address.",
    "verdict": "What the ledger has answered.",
    "waited_seconds": "How long it had to wait.",
    "was": "The run's state at that moment.",
    "worker": "The worker's name.",
}
