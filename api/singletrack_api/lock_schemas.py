"""The shapes of what is asked and answered about locks and queues; see `schemas`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from singletrack.lifecycle import Phase
from singletrack_api.fields import Text
from singletrack_api.schemas import HolderView, Shape


class PauseRequest(Shape):
    """Why something is paused; it may be left out."""

    reason: Annotated[Text, Field(max_length=1000)] = ""


class PauseView(Shape):
    """That somebody has paused a lock or a queue."""

    by: str
    reason: str
    since: str


class OwnerView(HolderView):
    """The run that holds a lock."""

    task: str
    phase: Phase
    since: str | None
    """Since when it holds the lock."""
    fencing_token: int
    """0 until a worker has claimed the run."""
    cancelling: bool
    """Somebody asked it to stop."""


class WaitingView(HolderView):
    """A run that waits for a lock."""

    position: int
    """1 is next."""
    task: str
    priority: int
    submit_time: str


class LockStatusView(Shape):
    """A lock as it is now."""

    key: str
    """The full key: the namespace, a slash, the key."""
    holder: OwnerView | None
    pause: PauseView | None
    """While it is there, nobody gets the lock."""
    waiting_count: int
    waiting: list[WaitingView]
    """The first in line."""


class QueueView(Shape):
    """A broker queue as it is now."""

    name: str
    pause: PauseView | None
    """While it is there, no run of this queue starts."""
    parked: int
    """How many runs have their lock and are held back by the pause."""
