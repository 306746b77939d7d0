"""What is said over the agent's socket, and how it is written: JSON, one message a packet.

Who speaks is never part of a message: the kernel names the peer's pid. A request carries a number
that its answer repeats, so that an answer that came too late is recognised; 0 asks for no answer.
`Reap` is the only message the agent sends unasked, to main's guard.
"""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from singletrack.operations import Cause, Grant
from singletrack.run import Door

T = TypeVar("T")

LARGEST = 256 * 1024
"""Bytes in a packet, at most."""

SOFT_LIMIT: int = signal.SIGRTMIN + 12
"""The one thing that cannot be said in a message, because user code does not listen: a signal that
nobody else uses. Not SIGUSR1, as Celery does: projects have that write tracebacks, and one that
comes too late would end another task, see `docs/adr/0018-soft-limit.md`."""


class MessageError(ValueError):
    """A packet is not a message of this protocol."""


class Role(StrEnum):
    """What a connection is for."""

    MAIN = "main"  # the worker's main process; when it ends, everything ends
    GUARD = "guard"  # main's second connection, on which it asks whether the agent is alive
    CHILD = "child"  # a pool child


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first message of a connection; a child says it before it opens its own session."""

    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildExit:
    """Main: how the pool saw this child end, for the record."""

    pid: int
    code: int
    """As Python counts: what it left with, or the number of the signal that killed it, negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """Main: end as soon as no run is bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """Child: I am about to start this run. Answer: Bound or Refused."""

    run_id: str
    nonce: str
    sent_at: float
    """CLOCK_BOOTTIME before the start was sent for the first time: the lease counts from it."""
    spec: str = ""
    """The run's specification as text, for a server that has lost the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Child: the ledger has answered, user code comes next; its time runs. Not answered."""

    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Child: user code has returned. Answer, once all it has started is dead: Clear."""

    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Child: the ledger has answered; the run is over."""

    nonce: str
    outcome: str = ""
    """How it ended as text, for a server that has lost the record; empty if it was given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bequeath:
    """Child: threads of the task live on in me. Kill me, then tell the ledger. Answer: Done."""

    nonce: str
    outcome: str
    """How the run has ended, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Child: why am I being stopped? Answer: Clear."""

    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Guard: are you alive? Answer: Alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The request was carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The run is watched; without a renewal its child is killed at `deadline` (CLOCK_BOOTTIME)."""

    bound: ClassVar[bool] = True
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The request was not carried out."""

    bound: ClassVar[bool] = False
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """Why the agent was stopping the run, if it was; `zombies` are the child's to reap."""

    cause: Cause | None = None
    zombies: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """I am; and nobody has to be killed before `until` (CLOCK_BOOTTIME), None for nobody at all."""

    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reap:
    """To the guard: main has adopted these, and they are dead."""

    pids: tuple[int, ...]


Request = Hello | ChildExit | Stopping | Bind | Started | Leaving | Left | Bequeath | Why | Ping
Answer = Done | Bound | Refused | Clear | Alive
Message = Request | Answer | Reap

_write = json.JSONEncoder().encode
_CLASSES: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Message)}


@dataclass(frozen=True, slots=True)
class Packet:
    """A message and the number of its request; 0 when nobody waits for an answer."""

    number: int
    message: Message


def encode(number: int, message: Message) -> bytes:
    """Write one packet."""
    return _write([number, type(message).__name__, _plain(message)]).encode()


def decode(data: bytes) -> Packet:
    """Read one packet.

    Raises:
        MessageError: it was not written by `encode`.
    """
    try:
        number, name, content = json.loads(data)
        return Packet(_integer(number), _build(_CLASSES[name], content))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MessageError(f"not a message: {error}") from error


def _plain(message: Any) -> dict[str, Any]:
    return {
        name: _plain(value) if isinstance(value, Grant) else value
        for name in _READERS[type(message)]
        if (value := getattr(message, name)) is not None
    }


def _build(kind: type[T], content: Any) -> T:
    if not isinstance(content, Mapping):
        raise TypeError(f"{content!r} is not an object")
    readers = _READERS[kind]
    return kind(**{name: readers[name](value) for name, value in content.items()})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is not an integer")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _integers(value: Any) -> tuple[int, ...]:
    return tuple(map(_integer, value))


def _grant(value: Any) -> Grant:
    return _build(Grant, value)


_READ: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    int: _integer,
    float: _number,
    float | None: _number,
    tuple[int, ...]: _integers,
    Grant: _grant,
    Door: Door,
    Role: Role,
    Cause | None: Cause,
}
_READERS = {
    kind: {
        field.name: _READ[hints[field.name]]
        for hints in (get_type_hints(kind),)
        for field in fields(kind)
    }
    for kind in (*_CLASSES.values(), Grant)
}
