"""The shapes of what is asked and answered about locks and queues; see `schemas`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from singletrack.lifecycle import Phase
from singletrack_api.fields import Text
from singletrack_api.schemas import HolderView
from singletrack_api.shape import Shape
from singletrack_api.standing_schemas import PauseView


class PauseRequest(Shape):
    """Why something is paused; it may be left out."""

    reason: Annotated[Text, Field(max_length=1000)] = ""


class DeathNotice(Shape):
    """How one knows that the process of a suspect run is dead."""

    reason: Annotated[Text, Field(min_length=1, max_length=1000)]
    by: Annotated[Text, Field(max_length=253)] = ""
    """Who says so."""


class ReleaseRequest(Shape):
    """Why the holder of a suspect lock is given up, for those who ask later."""

    reason: Annotated[Text, Field(min_length=1, max_length=1000)]
    by: Annotated[Text, Field(max_length=253)] = ""
    """Who decides it."""
    fencing_token: Annotated[int, Field(ge=0)] = 0
    """That of the holder you mean; the release is refused if another one holds the lock by now."""


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
    suspect: bool
    """Its worker is not heard of, and nobody knows whether its code still executes."""


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


class LockSummaryView(Shape):
    """A lock in a list."""

    key: str
    """The full key: the namespace, a slash, the key."""
    holder: HolderView | None
    fencing_token: int
    """That of the holder; 0 until a worker has claimed the run."""
    suspect: bool
    """The holder's worker is not heard of."""
    pause: PauseView | None
    waiting_count: int


class LockList(Shape):
    """One page of locks, by name."""

    items: list[LockSummaryView]
    next: str | None
    """The cursor of the next page; also in the `Link` header."""


class QueueView(Shape):
    """A broker queue as it is now."""

    name: str
    pause: PauseView | None
    """While it is there, no run of this queue starts."""
    parked: int
    """How many runs have their lock and are held back by the pause."""


class QueueList(Shape):
    """One page of broker queues, by name."""

    items: list[QueueView]
    next: str | None
    """The cursor of the next page; also in the `Link` header."""
