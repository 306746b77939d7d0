"""Gives memory back to the machine: what imports and large listings have left behind.

An idle operator is mostly what its libraries needed while they were loaded. The C library keeps
such memory for later; asked to, it returns about a tenth of the process.
"""

from __future__ import annotations

import ctypes
import gc
import typing


def give_back() -> None:
    """Collect garbage and return free memory; takes some milliseconds."""
    typing.clear_overloads()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
    if trim is not None:
        trim(0)
