"""Tasks of a project that traces its own code, and one that tells what its process has imported."""

from __future__ import annotations

import os
import signal

from singletrack import task


@task(name="look_up", lock="look_up/{key}")
def look_up(key: str = "any") -> str:
    """Have a span of its own, by OpenTelemetry's API alone."""
    from opentelemetry import trace

    with trace.get_tracer("project").start_as_current_span("look up"):
        return f"found {key}"


@task(name="sends_another")
def sends_another() -> str:
    """Start a run of another task."""
    return str(look_up.delay("another").id)


@task(name="die", lock="die")
def die() -> None:
    """Take the process down as the kernel would."""
    os.kill(os.getpid(), signal.SIGKILL)
