"""How lines are written: as text for people or as JSON for machines, all of a process alike."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_Line = MutableMapping[str, Any]

#: What a line of JSON begins with.
_FIRST = ("timestamp", "level", "component", "event", "run", "task", "lock", "attempt")


def configure(
    component: str, log_format: str, level: str | int, handler: logging.Handler | None = None
) -> None:
    """Send structlog and the standard library's loggers in one format to a handler, or to stderr.

    `json` writes one object a line for machines; anything else is text for a terminal.
    """
    shared = [*_SHARED, _naming(component), _without_unknown]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = handler or logging.StreamHandler(sys.stderr)
    coloured = getattr(handler, "stream", sys.stderr).isatty()
    last = _AS_JSON if log_format == "json" else [_as_text(coloured=coloured)]
    handler.setFormatter(_formatter(shared, last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)


def join() -> None:
    """Send our events through the standard library's loggers as they are, handlers and levels.

    For a process whose logging belongs to somebody else: a producer, or a Celery worker, of the
    user's own app. Does nothing where `configure` was called, or the user has configured structlog.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            _without_unknown,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["event"], bool_as_flag=False),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # whoever owns the process may configure structlog later
    )


def _naming(component: str) -> Any:
    """Not by a context variable: threads start without those."""

    def add_component(_logger: Any, _method: str, line: _Line) -> _Line:
        line["component"] = component
        return line

    return add_component


def _without_unknown(_logger: Any, _method: str, line: _Line) -> _Line:
    """What is not known is not on the line."""
    for name in [name for name, value in line.items() if value is None]:
        del line[name]
    return line


def _in_order(_logger: Any, _method: str, line: _Line) -> _Line:
    first = {name: line[name] for name in _FIRST if name in line}
    return {**first, **line}


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

_AS_JSON: list[Any] = [_in_order, structlog.processors.JSONRenderer()]


def _formatter(shared: list[Any], last: list[Any]) -> logging.Formatter:
    first = [structlog.stdlib.add_logger_name, *shared, structlog.processors.format_exc_info]
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=first, processors=[meta, *last])


def _as_text(*, coloured: bool) -> Any:
    return structlog.dev.ConsoleRenderer(
        colors=coloured,
        pad_event_to=0,
        exception_formatter=structlog.dev.plain_traceback,
    )
