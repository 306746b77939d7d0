"""What a durable write sends: the write, then the confirmation, on the same connection."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
from support.redis_servers import RedisServer

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.adapters.redis_ledger.server import Capabilities, Confirmation
from singletrack.errors import LedgerUnavailable
from singletrack.operations import Verdict
from singletrack.run import RunSpec
from singletrack.settings import LedgerSettings


@pytest.fixture
def ledger(valkey: RedisServer, key_prefix: str) -> Iterator[RedisLedger]:
    settings = LedgerSettings(redis_url=valkey.url, key_prefix=key_prefix, durable_wait_ms=100)
    found = RedisLedger.from_settings(settings)
    found.prepare()
    server_id = found.execute(ops.ReadServer()).server_id
    found.execute(ops.Bless(server_id=server_id))
    yield found
    found.close()


def start(run_id: str) -> ops.Start:
    spec = RunSpec(run_id=run_id, task="report", lock=f"default/{run_id}", envelope="text")
    return ops.Start(run_id=run_id, nonce="n", worker="w", spec=spec)


def test_the_confirmation_follows_on_the_connection_of_the_write(
    ledger: RedisLedger, valkey: RedisServer
) -> None:
    ledger.use(Capabilities(Confirmation.WAITAOF, replicas=0, summary=""))
    ledger.execute_durably(start("warm-up"))
    with valkey.client().monitor() as monitor:
        assert ledger.execute_durably(start("a")).verdict is Verdict.OK
        sent = [monitor.next_command()]
        while "WAITAOF" not in sent[-1]["command"].upper():
            sent.append(monitor.next_command())
    write = next(line for line in sent if "singletrack_start" in line["command"])
    assert sent.index(write) < len(sent) - 1
    assert _connection(write) == _connection(sent[-1])


@pytest.mark.parametrize("confirmation", [Confirmation.WAIT, Confirmation.WAITAOF])
def test_a_write_that_no_replica_has_is_not_confirmed(
    ledger: RedisLedger, confirmation: Confirmation
) -> None:
    ledger.use(Capabilities(confirmation, replicas=1, summary=""))
    with pytest.raises(LedgerUnavailable, match="not confirmed"):
        ledger.execute_durably(start("a"))


def _connection(line: dict[str, str]) -> tuple[str, str]:
    return line["client_address"], line["client_port"]


def test_a_connection_that_broke_while_it_was_kept_is_replaced(
    ledger: RedisLedger, valkey: RedisServer
) -> None:
    ledger.execute_durably(start("a"))
    valkey.client().client_kill_filter(_type="normal", skipme=True)
    assert ledger.execute_durably(start("b")).verdict is Verdict.OK


def test_a_call_that_was_never_answered_gives_its_answer_to_nobody_else(
    ledger: RedisLedger,
) -> None:
    ledger.ask_durably(start("a"))
    assert _granted(ledger.execute_durably(start("b"))) == "b"
    assert _granted(ledger.execute_durably(start("c"))) == "c"


def test_a_forked_process_does_not_use_its_parents_connection(ledger: RedisLedger) -> None:
    ledger.execute_durably(start("warm-up"))
    answer_in_child, child = os.pipe()
    if not os.fork():
        with suppress(BaseException):
            os.write(child, _granted(ledger.execute_durably(start("child"))).encode())
        os._exit(0)
    os.close(child)
    assert os.read(answer_in_child, 100) == b"child"
    os.close(answer_in_child)
    assert _granted(ledger.execute_durably(start("parent"))) == "parent"


def _granted(reply: ops.StartReply) -> str:
    assert reply.grant is not None
    return reply.grant.run_id
