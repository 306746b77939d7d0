"""Which run the agent's lines are about: what a child has told of it, and the ledger's grant."""

from __future__ import annotations

from contextlib import AbstractContextManager

from singletrack import logs
from singletrack.specification import read_spec
from singletrack_worker.agent.bindings import Binding


def about(binding: Binding) -> AbstractContextManager[None]:
    """The lines of this block are about the run of that binding."""
    attempt = binding.grant.attempt if binding.grant else None
    return about_text(binding.run_id, binding.spec, attempt)


def about_text(run_id: str, text: str, attempt: int | None = None) -> AbstractContextManager[None]:
    """About a run of which only its specification as text is known; a child may say anything."""
    try:
        spec = read_spec(text)
    except ValueError:
        return logs.about_run(run_id, attempt=attempt)
    return logs.about_run(run_id, spec.task, spec.lock, attempt)
