"""The port to the ledger: the run records and the locks, changed only by atomic operations.

What every adapter guarantees, and the conformance suite checks:

- An operation happens completely or not at all, and operations happen one after the other.
- At most one run owns a lock: the one that is READY, CLAIMED or RUNNING with that key.
- A terminal state is final; a record's revision grows with every change.
- `Begin` answers OK for at most one claim per attempt; tokens grow with every claim.
- Repeating an operation whose answer was lost has no second effect.
- Nothing expires by itself: a record lives until `Forget`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from singletrack.operations import Operation, ServerStatus

R = TypeVar("R")


class Ledger(Protocol):
    """The ledger for synchronous callers: the worker, the command line."""

    def execute(self, operation: Operation[R]) -> R:
        """Perform one operation.

        Raises:
            LedgerUnavailable: no answer in time; the operation may have happened.
            LedgerRefused: the server answered with an error of its own.
        """
        ...

    def execute_durably(self, operation: Operation[R]) -> R:
        """Perform a write and return only when it would survive a crash of the server.

        With `durability: relaxed` this is `execute`.

        Raises:
            LedgerUnavailable: the durability was not confirmed in time; repeat it or hand it back.
        """
        ...

    def ask_durably(self, operation: Operation[R]) -> Callable[[], R]:
        """`execute_durably` in two steps: sends the write, and answers with what waits for it.

        What is answered must be called, once, by the same thread; it raises what `execute_durably`
        raises.

        Raises:
            LedgerUnavailable: it could not be sent.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class AsyncLedger(Protocol):
    """The ledger for asyncio callers: the API, the operator, the upkeep loops.

    A task that is cancelled while it waits for an answer is cancelled, and gets none; whether a
    write took effect is unknown then.
    """

    async def execute(self, operation: Operation[R]) -> R:
        """Perform one operation; see `Ledger.execute`."""
        ...

    async def execute_durably(self, operation: Operation[R]) -> R:
        """Perform a write that survives a crash; see `Ledger.execute_durably`."""
        ...

    async def changes(self, cursor: str, timeout_seconds: float) -> tuple[str, Sequence[str]]:
        """Wait for changes after `cursor` ("" for now) and answer the new cursor and the run ids.

        A hint, never the truth: changes may be missed or repeated; readers resync.
        """
        ...

    async def note_server(self) -> ServerStatus:
        """Read the server as `ReadServer` does, and note how soon it writes to its disk.

        Not every account may ask for that, and it may be changed, or the note lost, at any time: so
        those who may ask do it again and again. Where this account may not, the last note counts.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
