"""Pausing a lock or a broker queue: what runs goes on, nothing new starts."""

from __future__ import annotations

from dataclasses import dataclass

from singletrack.operations.base import Operation
from singletrack.operations.replies import Pauses, QueueStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseLock(Operation[bool]):
    """Give a lock to nobody until it is resumed; False if it is paused already.

    Its holder goes on, also one that is READY: the lock was given to it before.
    """

    lock: str
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeLock(Operation[bool]):
    """End the pause of a lock; if it is free, the first in line gets it. False if not paused."""

    lock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseQueue(Operation[bool]):
    """Let no run of a broker queue start until it is resumed; False if it is paused already.

    Its READY runs are parked: they keep their locks, are not published, a message that is on its
    way already cannot be claimed, and the start deadline stands still.
    """

    queue: str
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeQueue(Operation[bool]):
    """End the pause of a queue: what was parked is due at once, with a whole start deadline.

    False if it was not paused.
    """

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPauses(Operation[Pauses]):
    """Whether a lock and a broker queue are paused, and by whom."""

    lock: str
    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetQueue(Operation[QueueStatus]):
    """Whether a broker queue is paused, and how many runs that holds back."""

    queue: str
