"""Which run the lines of this thread, or of this asyncio task, are about.

It is on every line that is written meanwhile, whoever writes it: ours, Celery's, a task's own. What
is not known yet is left out, and noted as soon as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bind_contextvars, bound_contextvars


@contextmanager
def about_run(
    run: str | None = None,
    task: str | None = None,
    lock: str | None = None,
    attempt: int | None = None,
) -> Iterator[None]:
    """Everything in this block is about that run; without one, about one that is noted later.

    Nothing of the run stays when it ends, nor anything of one that the block is within.
    """
    with bound_contextvars(run=run, task=task, lock=lock, attempt=attempt or None):
        yield


def note_run(
    run: str | None = None,
    task: str | None = None,
    lock: str | None = None,
    attempt: int | None = None,
) -> None:
    """Put what is known by now on the lines to come of the innermost `about_run`.

    An attempt of 0 is none: the code has not been started.
    """
    known = {"run": run, "task": task, "lock": lock, "attempt": attempt}
    bind_contextvars(**{name: value for name, value in known.items() if value})
