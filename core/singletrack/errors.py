"""Every error of the platform, in one tree; the docstring is the default message.

SingletrackError
├── LedgerError
│   ├── LedgerUnavailable        the ledger did not answer in time
│   ├── LedgerMisconfigured      the server would break the promise; names the setting and the fix
│   └── LedgerRefused            the ledger's functions answered with an error of their own
├── BrokerUnavailable            a message could not be handed to the broker
├── IntakeError
│   ├── NamespaceNotServed       nobody here looks after TaskRuns of that namespace
│   ├── TaskNotRegistered        no worker has registered a task of that name
│   ├── InvalidParameters        the parameters do not fit the task's signature
│   ├── ParametersTooLarge       the parameters are above the limit
│   ├── RunNotFound              no run has that id
│   ├── RunStarted               what was asked for is possible only before the start
│   ├── RunConflict              the id belongs to a run with another content
│   ├── LockHeld                 the lock is held and the policy says to refuse
│   │   └── QueueFull            as many runs wait for it as are allowed to
│   ├── LockPaused               nobody gets the lock for now, and the policy says not to wait
│   └── IntakeUnavailable        the place that accepts runs did not answer
├── AccessUnavailable            who may do what could not be asked
├── EncodeError                  a value cannot be written as JSON; names its type
├── NotSupported                 a feature of Celery that a task behind the gate does not have
└── ConfigurationError           a setting is wrong; names it and says what to do
"""

from __future__ import annotations

from dataclasses import dataclass


class SingletrackError(Exception):
    """Something went wrong in Singletrack."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])


class LedgerError(SingletrackError):
    """The ledger failed."""


class LedgerUnavailable(LedgerError):
    """The ledger did not answer in time."""


class LedgerMisconfigured(LedgerError):
    """The ledger's server is set up in a way that breaks the promise."""


class LedgerRefused(LedgerError):
    """The ledger's functions answered with an error."""


class BrokerUnavailable(SingletrackError):
    """A message could not be handed to the broker."""


class IntakeError(SingletrackError):
    """A run was not accepted."""


class NamespaceNotServed(IntakeError):
    """Nobody here looks after TaskRuns of that namespace."""


class TaskNotRegistered(IntakeError):
    """No worker has registered a task of that name."""


class InvalidParameters(IntakeError):
    """The parameters do not fit the task's signature."""


class ParametersTooLarge(IntakeError):
    """The parameters are larger than the limit."""


class RunNotFound(IntakeError):
    """No run has that id."""


class RunStarted(IntakeError):
    """The run has started; this is possible only before."""


class RunConflict(IntakeError):
    """Another run with different content already has that id."""


class IntakeUnavailable(IntakeError):
    """The place that accepts runs did not answer."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock: the run's id and, if it came from a TaskRun, that resource's name."""

    run_id: str
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.run_id


class LockHeld(IntakeError):
    """Another run holds this lock."""

    def __init__(self, lock: str, holder: Holder) -> None:
        self.lock = lock
        self.holder = holder
        super().__init__(f"lock {lock!r} is held by run {holder}")


class QueueFull(LockHeld):
    """As many runs wait for this lock as are allowed to."""

    def __init__(self, lock: str, holder: Holder) -> None:
        super().__init__(lock, holder)
        self.args = (f"the waiting list of lock {lock!r} is full; run {holder} holds it",)


class LockPaused(IntakeError):
    """Nobody gets this lock for now."""

    def __init__(self, lock: str) -> None:
        self.lock = lock
        super().__init__(f"lock {lock!r} is paused")


class AccessUnavailable(SingletrackError):
    """Who may do what could not be asked."""


class EncodeError(SingletrackError):
    """The value cannot be written as JSON."""


class NotSupported(SingletrackError):
    """A task behind the gate does not have this feature of Celery."""


class ConfigurationError(SingletrackError):
    """A setting is wrong."""
