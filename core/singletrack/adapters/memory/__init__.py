"""The ledger in memory: for tests of code that uses a ledger, and the model of the real one.

It keeps every rule of the operations, with none of the machinery: no server, no wire format, one
lock. The conformance suite runs on it and on Redis alike, and a state machine drives both with the
same random operations and compares every answer, so a test may trust it.

    ledger = MemoryLedger()
    ledger.execute(Submit(spec=spec))
    ledger.restart()  # now it is unblessed, as a server that has just come back
"""

from singletrack.adapters.memory.async_ledger import AsyncMemoryLedger
from singletrack.adapters.memory.ledger import MemoryLedger

__all__ = ["AsyncMemoryLedger", "MemoryLedger"]
