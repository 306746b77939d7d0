"""The loop that confirms deaths ends when it is told to, whatever the client makes of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from singletrack.errors import LedgerUnavailable
from singletrack.lifecycle import State
from singletrack.operations import LeaseView
from singletrack.pods import Pod
from singletrack_operator.confirming import Confirmations

POD = Pod(namespace="shop", name="worker-1", uid="u1")
LEASE = LeaseView(run_id="a", nonce="n", lease_seq=1, state=State.RUNNING, pod=POD)
ENDED = {
    "metadata": {"resourceVersion": "1"},
    "spec": {"containers": [{"name": "worker"}]},
    "status": {
        "phase": "Failed",
        "containerStatuses": [{"name": "worker", "state": {"terminated": {"exitCode": 1}}}],
    },
}


class Pods:
    async def watch(self, _pod: Pod, _since: str) -> AsyncGenerator[Mapping[str, Any], None]:
        yield ENDED


class Ledger:
    """Its client takes a cancellation for a failure of its own."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def execute_durably(self, _operation: Any) -> Any:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LedgerUnavailable("the connection broke") from None


async def test_a_cancellation_that_the_client_has_swallowed_ends_the_loop() -> None:
    ledger = Ledger()
    confirmations = Confirmations(ledger, Pods())  # type: ignore[arg-type]  # all that is used
    loop = asyncio.create_task(confirmations.run())
    confirmations.note([LEASE])
    await ledger.asked.wait()
    loop.cancel()
    done, _ = await asyncio.wait({loop}, timeout=10)
    assert done == {loop}
    assert loop.cancelled()
