"""A begin that was answered survives the death of the server that answered it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from support.redis_servers import KINDS, VALKEY
from support.replicated import ReplicatedServer, replicated
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger, wire
from singletrack.adapters.redis_ledger.server import Confirmation
from singletrack.errors import LedgerUnavailable
from singletrack.operations import BeginReply, Verdict
from singletrack.run import Cancellation, RunSpec
from singletrack.settings import LedgerSettings

pytestmark = pytest.mark.redis

BEGIN = ops.Begin(run_id="a", nonce="n")
WISH = Cancellation(by="somebody")

#: So much of what the server says passes, then the connection breaks: the answer to a begin.
BEGIN_ANSWER = len(b"*2\r\n$2\r\nOK\r\n$1\r\n1\r\n")


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReplicatedServer]:
    with replicated(request.param, tmp_path / "pair") as found:
        yield found


@pytest.fixture
def ledger(pair: ReplicatedServer) -> Iterator[RedisLedger]:
    """Prepared, with a claimed run `a`."""
    settings = LedgerSettings(redis_url=pair.url, durable_wait_ms=500)
    found = RedisLedger.from_settings(settings)
    found.prepare()
    found.execute(ops.Bless(server_id=found.execute(ops.ReadServer()).server_id))
    found.execute(ops.Submit(spec=RunSpec(run_id="a", task="t", lock="default/l")))
    assert found.execute(ops.Claim(run_id="a", nonce="n", worker="w")).grant
    yield found
    found.close()


def revision(ledger: RedisLedger) -> int:
    run = ledger.execute(ops.GetRun(run_id="a"))
    assert run
    return run.revision


def begin(ledger: RedisLedger) -> BeginReply:
    """As a worker does: what a busy machine has not confirmed in time is sent again."""

    def confirmed() -> BeginReply | None:
        with suppress(LedgerUnavailable):
            return ledger.execute_durably(BEGIN)
        return None

    return wait_until(confirmed, 60, "a begin that is confirmed")


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_with_a_replica_a_begin_waits_for_it(ledger: RedisLedger, pair: ReplicatedServer) -> None:
    found = ledger.capabilities
    assert found
    assert found.confirmation is Confirmation.WAIT
    assert begin(ledger).verdict is Verdict.OK
    pair.fail_over()
    run = ledger.execute(ops.GetRun(run_id="a"))
    assert run
    assert (run.state, run.attempt) == ("RUNNING", 1)


def test_a_begin_the_replica_does_not_have_is_not_confirmed(
    ledger: RedisLedger, pair: ReplicatedServer
) -> None:
    pair.wait_for_replica()
    pair.hold_replica_back()
    with pytest.raises(LedgerUnavailable, match="not confirmed"):
        ledger.execute_durably(BEGIN)


def test_a_silent_reconnect_does_not_hide_that_a_begin_is_not_on_the_replica(
    ledger: RedisLedger, pair: ReplicatedServer
) -> None:
    pair.wait_for_replica()
    before = revision(ledger)
    with frozen(pair.replica.pid):
        pair.front.faults.cut_once = True
        pair.front.faults.cut_after_bytes = BEGIN_ANSWER
        with pytest.raises(LedgerUnavailable, match="not confirmed"):
            ledger.execute_durably(BEGIN)
        assert revision(ledger) == before + 2, "the begin is written again, not only waited for"


def test_a_client_that_waits_on_another_connection_would_be_told_that_all_is_well(
    ledger: RedisLedger, pair: ReplicatedServer
) -> None:
    """What the test above must be able to catch: the wait alone is sent again, and succeeds."""
    if pair.primary.kind != VALKEY:
        pytest.skip("before 7.2 every command counted as a write of its connection")
    pair.wait_for_replica()
    call = ledger._shared.fcall(wire.encode(BEGIN))
    with frozen(pair.replica.pid), _naive(pair.url) as naive:
        naive.ping()
        assert naive.execute_command(*call)[0] == "OK"
        pair.front.reset()
        assert naive.execute_command("WAIT", "1", "500") == 1


@contextmanager
def _naive(url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 1))
    yield client
    client.close()


def test_a_replica_that_comes_later_is_waited_for_too(
    pair: ReplicatedServer, ledger: RedisLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.replica.client().execute_command("REPLICAOF", "NO", "ONE")
    primary = pair.primary.client()
    wait_until(lambda: primary.info("replication")["connected_slaves"] == 0, 20, "it to have left")
    alone = RedisLedger.from_settings(LedgerSettings(redis_url=pair.url, durable_wait_ms=500))
    before = alone.prepare()
    assert (before.replicas, before.confirmation) == (0, Confirmation.REPLY)
    pair.replica.client().replicaof("127.0.0.1", pair.primary.port)
    wait_until(pair.is_up, 20, "the replica to follow again")
    monkeypatch.setattr(type(alone._shared), "is_stale", True)
    assert begin(alone).verdict is Verdict.OK
    assert alone.capabilities
    assert alone.capabilities.replicas == 1
    alone.close()


def test_a_replica_that_is_away_still_counts_until_the_server_is_another(
    pair: ReplicatedServer, ledger: RedisLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(ledger._shared), "is_stale", True)
    pair.wait_for_replica()
    pair.replica.client().execute_command("REPLICAOF", "NO", "ONE")
    with pytest.raises(LedgerUnavailable, match="not confirmed"):
        ledger.execute_durably(BEGIN)
    pair.fail_over()
    ledger.execute_durably(ops.Cancel(run_id="nobody", cancellation=WISH))
    assert ledger.capabilities
    assert ledger.capabilities.replicas == 0
