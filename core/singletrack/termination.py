"""Ends a process that is told to stop before it can stop in order.

A container's first process is PID 1 of its namespace, and the kernel drops a signal for which PID 1
has no handler. A part that is stopped while it imports, or waits for its ledger, would go on, and
be killed only when its whole grace period is over. What is left is the start of the interpreter
itself, some 20 ms.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

CODE = 128 + signal.SIGTERM
"""The exit code, which is what a shell makes of a process that SIGTERM has ended."""


def heed_early() -> None:
    """End at once on SIGTERM, until a handler takes the place of this one.

    There is nothing to put in order yet: it is what SIGTERM does to every process but PID 1.
    Another handler stays, and in a thread, where none can be set, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(CODE)
