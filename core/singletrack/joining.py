"""What a run under the policy Join shows: the outcome of the run it joined.

Nothing is copied: whoever reads a JOINED run looks up the other one, each time. That is one step
and never more, because only a run that is still to end can be joined.
"""

from __future__ import annotations

from dataclasses import replace

from singletrack.lifecycle import State
from singletrack.run import Failure, Run


def joined_id(run: Run) -> str | None:
    """The id of the run whose outcome this one shows; None for its own."""
    return run.holder.run_id if run.state is State.JOINED and run.holder else None


def outcome_of(run: Run, joined: Run | None) -> Run:
    """The record whose state and result count; `joined` is the record found under `joined_id`.

    A record that has been forgotten counts as lost: nobody can say any more how it ended.
    """
    if run.state is not State.JOINED:
        return run
    if joined is not None and not joined.gone:
        return joined
    message = f"joined run {run.holder}, whose record has been forgotten"
    why = Failure(reason="RecordForgotten", message=message)
    return replace(run, state=State.LOST, failure=why)
