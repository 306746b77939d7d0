"""Logging set-up: one line per event, a stable event name, the run's identity as fields.

`configure` is called once by a component's entry point. Everywhere else:
`log = structlog.get_logger(); log.info("run_finished", run=run_id, outcome="succeeded")`.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure(component: str, *, json_lines: bool = False, level: str = "INFO") -> None:
    """Send structlog and the standard library's loggers to stderr in one format.

    `json_lines` writes one JSON object a line for machines; otherwise text for a terminal.
    """
    structlog.configure(
        processors=[
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_handler(json_lines=json_lines)]
    root.setLevel(level)
    structlog.contextvars.bind_contextvars(component=component)


def join() -> None:
    """Send our events through the standard library's loggers as they are, handlers and levels.

    For a process whose logging belongs to somebody else: a Celery worker of the user's own app.
    Does nothing where `configure` was called, or the user has configured structlog.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["event"], bool_as_flag=False),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _handler(*, json_lines: bool) -> logging.Handler:
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json_lines
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    return handler
