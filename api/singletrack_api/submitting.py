"""Handing a request to the intake, as the span that the run's own ones follow."""

from __future__ import annotations

from dataclasses import replace

from singletrack import logs, tracing
from singletrack.admission import RunRequest
from singletrack.intake import Accepted
from singletrack_api.parts import Parts


async def submit(parts: Parts, asked: RunRequest) -> Accepted:
    """What became of it. The caller's `traceparent` is carried on where no span is recorded."""
    span = tracing.span(
        f"submit {asked.task}", kind=tracing.Kind.PRODUCER, task=asked.task, door=str(asked.door)
    )
    with span:
        request = replace(asked, traceparent=span.traceparent or asked.traceparent)
        accepted = await parts.intake.submit(request)
        span.say(run=accepted.run_id, state=accepted.submission.state)
    logs.note_run(accepted.run_id, asked.task)
    return accepted
