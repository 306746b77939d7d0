"""What this process holds, which resident memory cannot tell to a few bytes."""

from __future__ import annotations

import ctypes
import gc
import sys


class _MallInfo(ctypes.Structure):
    """`struct mallinfo2` of the C library."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def holdings() -> tuple[int, int]:
    """Objects that Python has allocated, and bytes that the C library has.

    After a collection: what the collector would take later anyway has not been left behind.
    """
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = _MallInfo
    gc.collect()
    info = library.mallinfo2()
    return sys.getallocatedblocks(), info.uordblks + info.hblkhd
