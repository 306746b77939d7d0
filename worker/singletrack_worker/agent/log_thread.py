"""Log lines written by a thread of their own.

A terminal that is held, or a reader that hangs, blocks whoever writes to it. The agent must not be
blocked: its lines go through a queue, and what does not fit is dropped.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time

_WAITING_LINES = 1000


class LogThread(logging.Handler):
    """Stands in for the handlers of a logger and calls them in a thread."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._handlers = logger.handlers[:]
        self._lines: queue.Queue[logging.LogRecord | None] = queue.Queue(_WAITING_LINES)
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()
        logger.handlers[:] = [self]

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(record)

    def finish(self, seconds: float) -> None:
        """Let the lines that are waiting be written, if that does not take longer."""
        end = time.monotonic() + seconds
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=seconds)
        self._thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while (record := self._lines.get()) is not None:
            for handler in self._handlers:
                handler.handle(record)
