"""A timer on CLOCK_BOOTTIME that a selector can wait for.

A selector's own timeout stands still while the machine is suspended; a lease does not. This timer
fires as soon as the machine wakes up with a deadline behind it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from math import inf

_TFD_TIMER_ABSTIME = 1
_NANOS = 1_000_000_000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanos", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class Alarm:
    """One timer, set to a moment of CLOCK_BOOTTIME."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        self._fd: int = self._checked(self._libc.timerfd_create(time.CLOCK_BOOTTIME, flags))
        self._moment = inf

    def fileno(self) -> int:
        return self._fd

    def set(self, moment: float) -> None:
        """Ring at this moment, or never for infinity; replaces the moment set before."""
        if moment == self._moment:
            return
        self._moment = moment
        # All zero would switch the timer off, so a moment long past is one nanosecond.
        nanos = 0 if moment == inf else max(1, int(moment * _NANOS))
        spec = _TimerSpec(value=_TimeSpec(nanos // _NANOS, nanos % _NANOS))
        self._checked(
            self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None)
        )

    def silence(self) -> None:
        """Take note that it has rung."""
        self._moment = inf
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        os.close(self._fd)

    def _checked(self, result: int) -> int:
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result
