"""The shapes that say how a run stands: what holds it back, how far it is, why it failed."""

from __future__ import annotations

from typing import Literal

from singletrack_api.shape import Shape


class PauseView(Shape):
    """That somebody has paused a lock or a queue."""

    by: str
    reason: str
    since: str


class RunPauseView(PauseView):
    """A pause that keeps a run waiting."""

    of: Literal["lock", "queue"]


class ProgressView(Shape):
    """How far a run says it is."""

    current: float
    total: float | None
    message: str


class ErrorView(Shape):
    """Why a run did not succeed."""

    reason: str
    message: str
    type: str
    traceback: str
    exit_code: int | None
    """What the process ended with, if that was the end of the run and somebody has seen it."""
    signal: str
    """By which signal it was killed, `SIGKILL` for example; empty if by none."""
