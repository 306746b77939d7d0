"""What Celery offers and a task behind the gate does not have: why, and what to do instead.

Each is refused at the earliest place: where the task is defined, else in the producer's call, else
as a run that ends FAILED with the same sentence. `docs/how-to/existing-celery-project.md` prints
the table; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from singletrack.errors import NotSupported


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One thing that is refused."""

    what: str
    why: str
    instead: str

    def error(self, task: str) -> NotSupported:
        return NotSupported(
            f"task {task!r} passes the gate, which refuses {self.what}: {self.why}; {self.instead}"
        )


_NOT_ITS_OWN = "a run is accepted, ended and recorded on its own, and Celery would wait for ever "

REFUSALS: Mapping[str, Refusal] = {
    "acks_late": Refusal(
        what="`acks_late=True`",
        why="code that has started is not started again by a message, so nothing is won by a later "
        "one",
        instead="leave it out: a run whose worker dies ends Lost, or is tried again if it says "
        "`retries`",
    ),
    "reject_on_worker_lost": Refusal(
        what="`reject_on_worker_lost=True`",
        why="a run whose worker died may have done half its work, and its own word decides then",
        instead="say `retries` with the cause WorkerLost if its code can bear that, else leave it "
        "out and look for the outcome Lost",
    ),
    "retry_on_worker_lost": Refusal(
        what="`retry_on_worker_lost=True`",
        why="a run whose worker died may have done half its work, and its own word decides then",
        instead="say `retries` with the cause WorkerLost if its code can bear that, else leave it "
        "out and look for the outcome Lost",
    ),
    "serializer": Refusal(
        what="a serializer other than JSON",
        why="the ledger keeps the parameters, and every door has to be able to send them",
        instead="pass plain values, or a reference to where the data is",
    ),
    "chain": Refusal(
        what="being a member of a chain",
        why=f"{_NOT_ITS_OWN}if a member were rejected or lost",
        instead="let the task itself start what follows with `.delay()` as its last step",
    ),
    "group": Refusal(
        what="being a member of a group or a chord",
        why=f"{_NOT_ITS_OWN}if a member were rejected or lost",
        instead="call `.delay()` for each and `.get()` each result",
    ),
    "link": Refusal(
        what="`link` and `link_error`",
        why="a callback would be sent outside the run, and not at all if its worker died",
        instead="let the task itself start what follows with `.delay()`, or watch its outcome",
    ),
    "map": Refusal(
        what="`.map()`, `.starmap()` and `.chunks()`",
        why="Celery would call the code inside another task, without its lock",
        instead="call `.delay()` for each",
    ),
    "replace": Refusal(
        what="`self.replace()`",
        why="another run cannot take over a run's id and lock",
        instead="start the other task with `.delay()`",
    ),
    "retry": Refusal(
        what="`self.retry()` with other arguments or options",
        why="the next attempt belongs to the same run, whose parameters and queue are recorded",
        instead="say only `exc`, `countdown`, `eta` and `max_retries`, or start another run with "
        "`.delay()`",
    ),
}

_LATE = ("acks_late", "reject_on_worker_lost", "retry_on_worker_lost")


def check_options(task: str, options: Mapping[str, Any], base: object = None) -> None:
    """Refuse what a definition says: its options, else what its base class says.

    Raises:
        NotSupported: names the option, why it is refused, and what to do.
    """
    for name in _LATE:
        if options.get(name, getattr(base, name, None)):
            raise REFUSALS[name].error(task)
    check_serializer(task, options.get("serializer", getattr(base, "serializer", None)))


def check_serializer(task: str, serializer: str | None) -> None:
    """Refuse a serializer other than JSON.

    Raises:
        NotSupported: it is another one.
    """
    if serializer not in {None, "json", "application/json"}:
        raise REFUSALS["serializer"].error(task)
