"""Random operations on the memory ledger and on the real functions: equal answers, true invariants.

Both go by one clock that moves in random steps and not by itself, so nothing depends on how busy
the machine is. Lost answers and late messages are repeated operations; a failover goes back to a
snapshot, but never behind a begin that was answered OK, because that one is durable. In half of the
examples it is not (`durability: relaxed`), and the server may lose everything: then a run may start
twice, but the ledgers must agree all the same.

The examples are shared between the kinds of server, which need not write to the disk: none of them
crashes. LEDGER_MACHINE_EXAMPLES (2000, together) and LEDGER_MACHINE_STEPS (50) in the environment
make it longer or shorter.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conformance.machine import LedgerMachine
from conformance.twins import Twins
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from support.redis_servers import KINDS, running

EXAMPLES = int(os.environ.get("LEDGER_MACHINE_EXAMPLES", "2000")) // len(KINDS)
STEPS = int(os.environ.get("LEDGER_MACHINE_STEPS", "50"))


@pytest.mark.redis
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(360 + 2 * EXAMPLES)  # shrinking a failure may take five minutes
def test_both_ledgers_agree_and_keep_the_promise(
    kind: str, tmp_path: Path, key_prefix: str
) -> None:
    with running(kind, tmp_path, appendonly="no") as server:
        twins = Twins(server, key_prefix)
        run_machine(twins)
        twins.close()


def run_machine(twins: Twins) -> None:
    class Machine(LedgerMachine):
        pass

    Machine.twins = twins
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
