"""The durations a lease agent decides by, from the settings of leases and cancels."""

from __future__ import annotations

from dataclasses import dataclass

from singletrack.settings import LeaseSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The durations the agent decides by, in seconds."""

    lease: float
    fence: float
    renew: float
    patience: float
    """How long a child may take before user code starts, and after it has returned."""
    timeout_grace: float
    """Between SIGTERM and SIGKILL of a run whose time is over."""
    exit_wait: float = 0.2
    """How long to wait for main to say how a child ended."""
    last_word: float = 0.1
    """How long a child whose claim is gone may take to say that it has ended the run itself."""
    last_answer: float = 0.3
    """How long a child that has to be killed may take to give main the task's answer."""
    again: float = 0.05
    """Between two attempts to kill what did not die."""
    memory: float = 90.0
    """How long a run that has ended is remembered: twice the grace, in which a server that has lost
    its record must be told."""

    @classmethod
    def of(cls, lease: LeaseSettings, cancel_grace_seconds: float) -> Rules:
        """A run that is over its time gets the grace of a cancel, but never more than 10 s: its
        author has set the limit. Bookkeeping may take as long as a restarted server needs.
        """
        return cls(
            lease=lease.lease_seconds,
            fence=lease.fence_seconds,
            renew=lease.renew_seconds,
            patience=lease.lease_seconds + lease.blessing_grace_seconds,
            timeout_grace=min(cancel_grace_seconds, 10.0),
            memory=2 * lease.blessing_grace_seconds,
        )

    def deadline(self, sent_at: float) -> float:
        """When the processes of a lease that was granted or renewed by that call must be dead."""
        return sent_at + self.lease - self.fence
