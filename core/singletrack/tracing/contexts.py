"""Between OpenTelemetry's contexts and the text that names a span; needs its API alone."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from singletrack import traceparent

_READER = TraceContextTextMapPropagator()


def current() -> str:
    """The traceparent of the span this code runs in; empty for none."""
    return write(trace.get_current_span().get_span_context())


def write(context: SpanContext) -> str:
    """As the header has it; empty for none."""
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def read(text: str) -> Context:
    """A context with that span, and nothing else."""
    return _READER.extract({traceparent.NAME: text}, Context())
